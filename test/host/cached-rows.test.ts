import test from 'ava';
import { CachedRows, NO_MODE } from '../../src/host/cached-rows.js';

const SIZE = 10 * 4096 + 100;

function rowsOf(...ranges: [offset: number, length: number][]): CachedRows {
  const rows = new CachedRows(ranges.length);
  rows.grow(2);
  for (const [row, [offset, length]] of ranges.entries()) {
    rows.begin(row, 1, 0, length, offset, NO_MODE);
  }
  return rows;
}

test('a request touches blocks, and has all of some', (t) => {
  const rows = rowsOf([4096, 8192], [4095, 4098], [10, 20], [8192, SIZE - 8192], [SIZE - 1, 1]);
  const found = Array.from({ length: 5 }, (_, row) => [
    ...[rows.firstTouched(row), rows.endTouched(row)],
    ...[rows.firstWhole(row), rows.endWhole(row, SIZE)],
  ]);
  t.deepEqual(found, [
    [1, 3, 1, 3],
    [0, 3, 1, 2],
    [0, 1, 1, 0],
    // At its end the export has a short block.
    [2, 11, 2, 11],
    [10, 11, 11, 11],
  ]);
  const bytes = [0, 1, 3].map((row) => rows.wholeBytes(row, SIZE));
  t.deepEqual(bytes, [8192, 4096, SIZE - 8192]);
});

test('rows that fill the same blocks are found, as long as they do', (t) => {
  const rows = rowsOf([0, 8192], [4096, 8192], [16_384, 4096]);
  rows.fill(0);
  rows.fill(2);
  t.true(rows.fillsAny(1, SIZE, 1, 2, false));
  t.false(rows.fillsAny(1, SIZE, 2, 4, true));
  t.false(rows.fillsAny(0, SIZE, 0, 4, true));
  t.deepEqual([...rows.isOld], [0, 0, 0]);
  t.true(rows.fillsAny(1, SIZE, 1, 5, true));
  t.deepEqual([...rows.isOld], [1, 0, 1]);
  rows.end(0);
  // It is in no list any more.
  rows.end(0);
  t.false(rows.fillsAny(1, SIZE, 1, 2, false));
  t.true(rows.fillsAny(1, SIZE, 4, 5, false));
  rows.begin(0, 1, 0, 8192, 0, NO_MODE);
  t.is(rows.isOld[0], 0);
});
