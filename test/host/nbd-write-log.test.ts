import test from 'ava';
import { WriteLog } from '../../src/host/nbd-write-log.js';
import { bytesAt, mapAnonymous } from '../../src/sys/memory.js';
import fc from '../helpers/random-sequences.js';

const WRITE = 1;
const source = mapAnonymous(4096);
const data = new Uint8Array(source.buffer);

function add(log: WriteLog, offset: number, length: number, byte: number): number {
  data.fill(byte, 0, length);
  return log.add(WRITE, 0, offset, length, source.address);
}

/** Offset and first byte of all entries that were answered and not flushed, in order. */
function answered(log: WriteLog): [number, number][] {
  const found: [number, number][] = [];
  for (let number = log.nextAnswered(0); number >= 0; number = log.nextAnswered(number + 1)) {
    const place = log.placeOf(number);
    const { address, length, offset } = log;
    const kept = bytesAt(address[place]!, length[place]!);
    if (!kept.every((byte) => byte === kept[0])) throw new Error('bytes of two writes');
    found.push([offset[place]!, kept[0]!]);
  }
  return found;
}

test('a flush covers what was answered before it began, and nothing else', (t) => {
  const log = new WriteLog(4096);
  const [a, b, c] = [add(log, 0, 10, 1), add(log, 10, 10, 2), add(log, 20, 10, 3)];
  log.answered(a);
  const epoch = log.beginFlush();
  log.answered(b);
  log.flushed(epoch);
  t.deepEqual(answered(log), [[10, 2]]);
  log.answered(c);
  log.flushed(log.beginFlush());
  t.deepEqual(answered(log), []);
});

test('a write that failed is not kept', (t) => {
  const log = new WriteLog(4096);
  const [a, b] = [add(log, 0, 10, 1), add(log, 10, 10, 2)];
  log.answered(b);
  log.drop(a);
  t.deepEqual(answered(log), [[10, 2]]);
});

test('a full log takes no more, and all again after a flush', (t) => {
  const log = new WriteLog(1000);
  t.false(log.isHalfFull);
  const places = [add(log, 0, 400, 1), add(log, 1, 400, 2)];
  t.true(log.isHalfFull);
  t.is(add(log, 2, 400, 3), -1);
  for (const place of places) log.answered(place);
  log.flushed(log.beginFlush());
  t.false(log.isHalfFull);
  t.true(add(log, 3, 900, 4) >= 0);
});

test('zeroes take an entry and no bytes', (t) => {
  const log = new WriteLog(100);
  for (let i = 0; i < 16384; i++) t.true(log.add(6, 2, i, 1 << 30, 0) >= 0);
  t.is(log.add(6, 2, 0, 1, 0), -1);
});

test('random writes and flushes keep exactly what a plain list keeps', (t) => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('add'), length: fc.integer({ min: 1, max: 300 }) }),
    fc.record({ kind: fc.constantFrom('answer', 'drop'), index: fc.nat(20) }),
    fc.record({ kind: fc.constantFrom('begin', 'end') }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const log = new WriteLog(2000);
      let next = 0;
      let epoch = 0;
      let model: {
        place: number;
        id: number;
        byte: number;
        isAnswered: boolean;
        covered: boolean;
      }[] = [];
      for (const one of steps as { kind: string; length?: number; index?: number }[]) {
        const open = model.filter(({ isAnswered }) => !isAnswered);
        const chosen = open[(one.index ?? 0) % Math.max(1, open.length)];
        if (one.kind === 'add') {
          const byte = 1 + (next % 250);
          const place = add(log, next, one.length!, byte);
          if (place >= 0)
            model.push({ place, id: next++, byte, isAnswered: false, covered: false });
        } else if (one.kind === 'begin') {
          epoch = log.beginFlush();
          for (const entry of model) entry.covered = entry.isAnswered;
        } else if (one.kind === 'end') {
          log.flushed(epoch);
          model = model.filter(({ covered }) => !covered);
        } else if (chosen !== undefined && one.kind === 'answer') {
          log.answered(chosen.place);
          chosen.isAnswered = true;
        } else if (chosen !== undefined) {
          log.drop(chosen.place);
          model.splice(model.indexOf(chosen), 1);
        }
        const kept = model.filter(({ isAnswered }) => isAnswered).map(({ id, byte }) => [id, byte]);
        if (JSON.stringify(answered(log)) !== JSON.stringify(kept)) return false;
      }
      return true;
    }),
  );
  t.pass();
});

test('its memory is given back once', (t) => {
  const log = new WriteLog(65_536);
  log.release();
  t.throws(() => log.release(), { message: /memory that is given back is mapped/ });
});
