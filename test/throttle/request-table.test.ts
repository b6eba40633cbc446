import test from 'ava';
import { DISCARD, READ, Throttle, WRITE } from '../../src/throttle/throttle.js';
import { runUntil, SECOND } from './drive.js';

test('reads do not wait behind writes that only a write limit holds', (t) => {
  const throttle = new Throttle(64);
  throttle.setLimits(throttle.root, { wiops: 1 }, 0);
  const disk = throttle.createMember('disk');
  for (let i = 0; i < 5; i++) t.false(throttle.submit(i, disk, WRITE, 4096, 0));
  t.true(throttle.submit(5, disk, READ, 4096, 0));
});

test('writes and discards of a member keep their order', (t) => {
  const throttle = new Throttle(64);
  throttle.setLimits(throttle.root, { wiops: 1 }, 0);
  const disk = throttle.createMember('disk');
  for (let i = 0; i < 4; i++) throttle.submit(i, disk, i % 2 === 0 ? DISCARD : WRITE, 4096, 0);
  t.deepEqual(
    runUntil(throttle, 0, 9 * SECOND).map(([, request]) => request),
    [0, 1, 2, 3],
  );
});
