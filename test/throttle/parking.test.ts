import test from 'ava';
import { Parking } from '../../src/throttle/parking.js';

test('the oldest turn leaves first, in whatever order the lanes came', (t) => {
  const parking = new Parking();
  parking.grow(4);
  const tickets = Float64Array.of(5, 3, 9, 1, 7);
  for (const lane of [0, 1, 2, 3, 4]) parking.park(lane, 6, tickets);
  parking.unpark(0);
  const left: number[] = [];
  for (let lane = parking.oldest(6); lane !== -1; lane = parking.oldest(6)) {
    left.push(lane);
    parking.unpark(lane);
  }
  t.deepEqual(left, [3, 1, 4, 2]);
  t.false(parking.has(3));
});
