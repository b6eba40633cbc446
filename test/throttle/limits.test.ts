import test from 'ava';
import { Throttle } from '../../src/throttle/throttle.js';
import { SluiceError } from '../../src/util/errors.js';

/** The name of the errno and the exit code with which an action fails. */
function failure(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof SluiceError) return `${error.errno} ${error.exitCode}`;
    throw error;
  }
  return 'none';
}

test('rates that are no positive numbers are refused, and nothing is changed', (t) => {
  const throttle = new Throttle(4);
  const set = (limits: object): string =>
    failure(() => throttle.setLimits(throttle.root, limits, 0));
  for (const rate of [0, -1, Number.NaN, -Infinity]) t.is(set({ bps: 5, iops: rate }), 'EINVAL 2');
  t.is(set({ iopsSize: -1 }), 'EINVAL 2');
  t.is(set({ iops: 1.1e15 }), 'ERANGE 2');
  t.is(throttle.root.limits.bps, Infinity);
  t.is(set({ iops: 1e15, bps: Infinity, iopsSize: 0 }), 'none');
});
