import test from 'ava';
import { grownFloat64, grownInt32, grownUint8 } from '../../src/throttle/growing.js';

test('what is there stays, and the rest has the value that is given', (t) => {
  t.deepEqual([...grownInt32(Int32Array.of(4, 5), 4, -1)], [4, 5, -1, -1]);
  t.deepEqual([...grownFloat64(Float64Array.of(0.5), 3, Infinity)], [0.5, Infinity, Infinity]);
  t.deepEqual([...grownUint8(Uint8Array.of(7), 2)], [7, 0]);
});

test('a column that is long enough is not copied', (t) => {
  const column = Int32Array.of(1, 2, 3);
  t.is(grownInt32(column, 3, 0), column);
  t.is(grownInt32(column, 1, 0), column);
});
