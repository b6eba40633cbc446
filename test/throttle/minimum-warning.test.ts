import test from 'ava';
import { ClosedLoop } from './closed-loop.js';

/** A device of a million requests a second, whatever their size: one completes each microsecond. */
function loopOf(): ClosedLoop {
  return new ClosedLoop(
    [
      { group: 'a', weight: 1 },
      { group: 'b', weight: 99 },
      { group: 'c', weight: 100 },
    ],
    4,
  );
}

test('minimums beyond the limit of a group are kept, with a warning that says so', (t) => {
  const { throttle } = loopOf();
  throttle.setLimits(throttle.root, { iops: 1000 }, 0);
  throttle.setMinimum(throttle.findGroup('a')!, { iops: 600 }, 0);
  t.deepEqual(throttle.warnings, []);
  throttle.setMinimum(throttle.findGroup('b')!, { iops: 500 }, 0);
  t.is(throttle.warnings.length, 1);
  t.regex(throttle.warnings[0], /minimums of 1100 iops, but its limit is 1000/);
  t.is(throttle.findGroup('b')!.minimum.iops, 500);
});
