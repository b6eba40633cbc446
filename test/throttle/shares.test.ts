import test from 'ava';
import { SluiceError } from '../../src/util/errors.js';
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

test('minimums that are no rates are refused', (t) => {
  const { throttle } = loopOf();
  for (const [value, errno] of [
    [-1, 'EINVAL'],
    [Number.NaN, 'EINVAL'],
    [2e15, 'ERANGE'],
    [Infinity, 'ERANGE'],
  ] as const) {
    const set = (): void => throttle.setMinimum(throttle.root, { iops: value }, 0);
    t.is(t.throws(set, { instanceOf: SluiceError }).errno, errno);
  }
});
