import test from 'ava';
import { grown } from '../../src/util/growing.js';

test('what is there stays, and the rest has the value that is given', (t) => {
  t.deepEqual([...grown(Int32Array.of(4, 5), 4, -1)], [4, 5, -1, -1]);
  t.deepEqual([...grown(Float64Array.of(0.5), 3, Infinity)], [0.5, Infinity, Infinity]);
  t.deepEqual(grown(Uint8Array.of(7), 2), Uint8Array.of(7, 0));
});

test('a column that is long enough is not copied', (t) => {
  const column = Int32Array.of(1, 2, 3);
  t.is(grown(column, 3), column);
  t.is(grown(column, 1), column);
});
