import test from 'ava';
import { CALLERS, Callers, callersOf } from '../../src/throttle/callers.js';
import { DISCARD, READ, WRITE } from '../../src/throttle/throttle.js';

const MS = 1e6;
const SECOND = 1e9;

test('requests of a caller are counted by direction, with their times', (t) => {
  const callers = new Callers();
  callers.completed(42, 1000, READ, 4096, 0, 2 * MS, 1 * SECOND);
  callers.completed(42, 1000, WRITE, 512, 5 * MS, 1 * MS, 2 * SECOND);
  callers.completed(42, 1001, WRITE, 512, 0, 0, 3 * SECOND);
  callers.completed(42, 1000, DISCARD, 65_536, 1 * MS, 0, 3 * SECOND);
  t.deepEqual(callersOf(callers.rows, 5 * SECOND), [
    {
      ...{ thread: 42, uid: 1000, recent: 1 },
      ...{ rios: 1, wios: 2, dios: 1, rbytes: 4096, wbytes: 1024, dbytes: 65_536 },
      ...{ waitNs: 6 * MS, serviceNs: 3 * MS, longestNs: 6 * MS, followedNs: 4 * SECOND },
    },
  ]);
});

test('who makes more of late comes first', (t) => {
  const callers = new Callers();
  for (let request = 0; request < 100; request++) callers.completed(1, 0, READ, 4096, 0, 0, SECOND);
  callers.completed(2, 0, READ, 4096, 0, 0, SECOND);
  const order = (): number[] => callersOf(callers.rows, 0).map(({ thread }) => thread);
  t.deepEqual(order(), [1, 2]);
  // After eight times ten seconds a hundred requests count less than one.
  callers.completed(2, 0, READ, 4096, 0, 0, 81.5 * SECOND);
  t.deepEqual(order(), [2, 1]);
  const [second, first] = callersOf(callers.rows, 82 * SECOND);
  t.is(first!.rios, 100, 'what was counted stays');
  t.is(Number(first!.recent.toFixed(3)), 0.28);
  t.is(Number(second!.recent.toFixed(3)), 0.72);
});

test('a long request counts for several short ones', (t) => {
  const callers = new Callers();
  callers.completed(1, 0, WRITE, 1 << 20, 0, 0, SECOND);
  for (let request = 0; request < 16; request++) callers.completed(2, 0, READ, 4096, 0, 0, SECOND);
  const [long, short] = callersOf(callers.rows, SECOND);
  t.is(long!.thread, 1);
  t.is(long!.recent, 0.75);
  t.is(short!.recent, 0.25);
});

test('whoever takes the place of another begins at nothing', (t) => {
  const callers = new Callers(2);
  for (let request = 0; request < 9; request++) callers.completed(1, 7, READ, 4096, MS, MS, SECOND);
  callers.completed(2, 7, READ, 4096, 0, 0, SECOND);
  callers.completed(3, 8, WRITE, 512, 0, 3 * MS, 2 * SECOND);
  const found = callersOf(callers.rows, 3 * SECOND);
  t.deepEqual(
    found.map(({ thread }) => thread),
    [1, 3],
  );
  const { recent, ...third } = found[1]!;
  t.true(recent > 0.01 && recent < 0.1, 'what it inherited is not its own');
  t.deepEqual(third, {
    ...{ thread: 3, uid: 8, rios: 0, wios: 1, dios: 0, rbytes: 0, wbytes: 512, dbytes: 0 },
    ...{ waitNs: 0, serviceNs: 3 * MS, longestNs: 3 * MS, followedNs: SECOND },
  });
});

test('a reader leaves out a place that is being given to another caller', (t) => {
  const callers = new Callers(2);
  callers.completed(1, 0, READ, 4096, 0, 0, 0);
  callers.completed(2, 0, READ, 4096, 0, 0, 0);
  callers.rows.words[0]!++;
  t.is(callersOf(callers.rows, 0).length, 1);
  callers.rows.words[0]!++;
  t.is(callersOf(callers.rows, 0).length, 2);
});

test('a million callers take the memory of 512', (t) => {
  const callers = new Callers();
  for (let thread = 1; thread <= 1_000_000; thread++) {
    callers.completed(thread, 0, READ, 4096, 0, 0, thread * 1000);
    if (thread % 10 === 0) callers.completed(5_000_000, 1, WRITE, 4096, 0, 0, thread * 1000);
  }
  const { words, doubles, weights, inherited } = callers.rows;
  const bytes = [words, doubles, weights, inherited].reduce((sum, one) => sum + one.byteLength, 0);
  t.is(bytes, CALLERS * (3 * 4 + 10 * 8 + 2 * 8));
  const found = callersOf(callers.rows, SECOND);
  t.is(found.length, CALLERS);
  t.is(found[0]!.thread, 5_000_000);
  t.is(found[0]!.wios, 100_000);
  t.is(Number(found[0]!.recent.toFixed(2)), 0.09);
});
