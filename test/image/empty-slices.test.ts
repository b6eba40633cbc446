import test from 'ava';
import { EmptySlices } from '../../src/image/empty-slices.js';

test('a run of empty slices ends at the first other one, or where the caller wants', (t) => {
  const empty = new EmptySlices(200);
  for (let slice = 5; slice < 140; slice++) if (slice !== 20) empty.add(slice);
  t.is(empty.endOf(4, 200), 4);
  t.is(empty.endOf(5, 200), 20);
  t.is(empty.endOf(20, 200), 20);
  t.is(empty.endOf(21, 200), 140);
  t.is(empty.endOf(21, 70), 70);
  t.is(empty.endOf(64, 64), 64);
});

test('the last slice is one like others', (t) => {
  const empty = new EmptySlices(33);
  for (let slice = 0; slice < 33; slice++) empty.add(slice);
  t.is(empty.endOf(0, 33), 33);
  t.is(empty.endOf(32, 33), 33);
  t.is(empty.endOf(0, 40), 33);
});
