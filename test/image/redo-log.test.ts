import test from 'ava';
import { REDO_LOG_BYTES, RedoLog } from '../../src/image/redo-log.js';

function indices(buffer: ArrayBuffer): number[] {
  return [...new RedoLog(buffer).records()].map(({ index }) => index);
}

test('the next process has the records up to the last commit', (t) => {
  const buffer = new ArrayBuffer(REDO_LOG_BYTES);
  const log = new RedoLog(buffer);
  log.append(5, 2 ** 53 - 1, 1, 2, 0xffffffff, 4);
  t.deepEqual(indices(buffer), []);
  log.append(6, 7);
  log.commit();
  log.append(6, 8);
  t.deepEqual(
    [...new RedoLog(buffer).records()],
    [
      { kind: 5, index: 2 ** 53 - 1, values: [1, 2, 0xffffffff, 4] },
      { kind: 6, index: 7, values: [0, 0, 0, 0] },
    ],
  );
});

test('records before a mark go, and those behind it that are taken back', (t) => {
  const buffer = new ArrayBuffer(REDO_LOG_BYTES);
  const log = new RedoLog(buffer);
  for (let i = 0; i < 3; i++) log.append(1, i);
  const { mark } = log;
  log.append(1, 3);
  log.commit();
  log.cut(mark);
  t.deepEqual(indices(buffer), [3]);
  log.rewind(mark);
  t.deepEqual(indices(buffer), []);
  log.append(1, 9);
  log.commit();
  t.deepEqual(indices(buffer), [9]);
});

test('it goes round, is crowded in the middle, and takes no record that has no place', (t) => {
  const buffer = new ArrayBuffer(REDO_LOG_BYTES);
  // Numbers of records go round, too.
  new Uint32Array(buffer, 0, 2).fill(2 ** 32 - 100);
  const log = new RedoLog(buffer);
  const most = log.room;
  const half = log.spare;
  for (let i = 0; i < most; i++) {
    t.is(log.isCrowded, i >= half);
    log.append(1, i);
  }
  t.is(log.room, 0);
  t.is(log.spare, 0);
  t.throws(() => log.append(1, most), { message: /the redo log is full/ });
  log.commit();
  t.deepEqual(
    indices(buffer),
    Array.from({ length: most }, (_, i) => i),
  );
});
