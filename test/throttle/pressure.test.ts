import test from 'ava';
import {
  FULL,
  NO_STALL,
  type PressureRows,
  PressureTable,
  pressureOf,
  SOME,
} from '../../src/throttle/pressure.js';
import { READ, Throttle } from '../../src/throttle/throttle.js';
import { MS, SECOND } from './drive.js';

function table(): PressureTable {
  const pressures = new PressureTable();
  pressures.grow(4);
  return pressures;
}

test('averages move every 2 s by the factors of the kernel', (t) => {
  const pressures = table();
  pressures.change(1, SOME, 0);
  t.is(pressures.of(1, 1.9 * SECOND).some.avg10, 0);
  // 100 * (1 - 1677/2048), and the same with 1981 and 2034.
  t.deepEqual(pressures.of(1, 2 * SECOND), {
    some: { avg10: 18.12, avg60: 3.27, avg300: 0.68, totalUs: 2e6 },
    full: { avg10: 0, avg60: 0, avg300: 0, totalUs: 0 },
  });
  t.is(pressures.of(1, 4 * SECOND).some.avg10, 32.95);
  // The stall has ended: 32.95 * 1677/2048.
  pressures.change(1, NO_STALL, 4 * SECOND);
  t.is(pressures.of(1, 6 * SECOND).some.avg10, 26.98);
});

test('a reader in another thread has the same figures, and changes nothing', (t) => {
  const told: PressureRows[] = [];
  const pressures = new PressureTable((rows) => told.push(rows));
  pressures.grow(4);
  pressures.change(1, SOME, 0);
  pressures.change(1, FULL, 3 * SECOND);
  for (const now of [3.5, 4, 11, 400].map((seconds) => seconds * SECOND)) {
    const read = pressureOf(told[0]!, 1, now);
    t.deepEqual(pressureOf(told[0]!, 1, now), read);
    t.deepEqual(pressures.of(1, now), read);
  }
  t.deepEqual(pressureOf(told[0]!, 1, 400 * SECOND).full.totalUs, 397e6);
});

test('a stall for a quarter of the time ends at 25 in all averages', (t) => {
  const pressures = table();
  for (let at = 0; at < 3600 * SECOND; at += SECOND) {
    pressures.change(2, FULL, at);
    pressures.change(2, NO_STALL, at + 250 * MS);
  }
  const figures = { avg10: 25, avg60: 25, avg300: 25, totalUs: 900e6 };
  t.deepEqual(pressures.of(2, 3600 * SECOND), { some: figures, full: figures });
});

test('asking seldom gives the same as asking often', (t) => {
  const often = table();
  const seldom = table();
  for (const pressures of [often, seldom]) {
    pressures.change(0, FULL, 0.7 * SECOND);
    pressures.change(0, SOME, 3.1 * SECOND);
    pressures.change(0, NO_STALL, 17.3 * SECOND);
  }
  for (let at = 18; at < 100; at++) often.of(0, at * SECOND);
  t.deepEqual(often.of(0, 100 * SECOND), seldom.of(0, 100 * SECOND));
});

test('some: a request waits; full: all that are outstanding do; groups above feel it too', (t) => {
  const throttle = new Throttle(16);
  throttle.createGroup('a');
  const group = throttle.createGroup('a/b');
  const member = throttle.createMember('disk');
  throttle.moveMember(member, group, 0);
  throttle.setLimits(group, { riops: 1 }, 0);
  throttle.submit(0, member, READ, 4096, 0);
  // A request waits alone until 0.99 s; then it is in flight and a second one waits.
  throttle.submit(1, member, READ, 4096, 500 * MS);
  t.is(throttle.next(990 * MS), 0);
  throttle.complete(0, 1490 * MS);
  t.true(throttle.cancel(1));
  for (const path of ['a/b', 'a', '']) {
    const { some, full } = throttle.pressure(throttle.findGroup(path)!, 2 * SECOND);
    t.is(some.totalUs, 1_490_000, path);
    t.is(full.totalUs, 990_000, path);
  }
});
