import test from 'ava';
import { NbdRows, NO_ROW, pieceOf } from '../../src/host/nbd-rows.js';

test('a row that is filled has nothing of the request before', (t) => {
  const rows = new NbdRows(4);
  rows.fill(2, 1, 0, 100, 20, 3000);
  rows.done[2] = 20;
  rows.entry[2] = 9;
  rows.fill(2, 0, 1, 200, 30, 4000);
  t.deepEqual([rows.command[2], rows.flags[2], rows.address[2], rows.length[2]], [0, 1, 200, 30]);
  t.deepEqual([rows.offset[2], rows.done[2], rows.entry[2]], [4000, 0, NO_ROW]);
});

test('all rows of a list are taken in order', (t) => {
  const rows = new NbdRows(4);
  rows.lists.grow(4, 2);
  for (const row of [3, 0, 2]) rows.lists.push(1, row);
  t.deepEqual(rows.takeAll(1), [3, 0, 2]);
  t.deepEqual(rows.takeAll(1), []);
});

test('pieces end with whole sectors', (t) => {
  t.is(pieceOf(100, 65536, 65536), 65536);
  t.is(pieceOf(100, 65537, 65536), 65436);
  t.is(pieceOf(65536, 100_000, 65536), 65536);
  t.is(pieceOf(100, 5000, 512), 412);
  // A server that takes less than a sector at a time.
  t.is(pieceOf(0, 5000, 256), 256);
});
