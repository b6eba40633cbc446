import test from 'ava';
import { Throttle } from '../../src/throttle/throttle.js';
import { SluiceError } from '../../src/util/errors.js';

test('a burst needs a plain limit, not above it, and a length', (t) => {
  const throttle = new Throttle(4);
  throttle.setLimits(throttle.root, { bps: 1000 }, 0);
  const errno = (burst: object): string =>
    t.throws(() => throttle.setBursts(throttle.root, burst, 0), { instanceOf: SluiceError }).errno;
  t.is(errno({ iops: { rate: 10, seconds: 1 } }), 'EINVAL');
  t.is(errno({ bps: { rate: 999, seconds: 1 } }), 'EINVAL');
  t.is(errno({ bps: { rate: 2000, seconds: 0 } }), 'EINVAL');
  t.is(errno({ bps: { rate: Number.NaN, seconds: 1 } }), 'EINVAL');
  t.is(errno({ bps: { rate: 2e15, seconds: 1 } }), 'ERANGE');
  t.is(errno({ bps: { rate: 2000, seconds: 3601 } }), 'ERANGE');
  t.is(throttle.root.bursts.bps, null);
});
test('a limit above the burst, or none, drops the burst with a warning', (t) => {
  const throttle = new Throttle(4);
  throttle.setLimits(throttle.root, { bps: 1000, iops: 10 }, 0);
  throttle.setBursts(throttle.root, { bps: { rate: 2000, seconds: 1 } }, 0);
  throttle.setBursts(throttle.root, { iops: { rate: 20, seconds: 1 } }, 0);
  throttle.setLimits(throttle.root, { bps: 3000 }, 0);
  t.is(throttle.root.bursts.bps, null);
  t.deepEqual(throttle.root.bursts.iops, { rate: 20, seconds: 1 });
  t.is(throttle.warnings.length, 1);
  throttle.setBursts(throttle.root, { iops: null }, 0);
  t.is(throttle.root.bursts.iops, null);
});
