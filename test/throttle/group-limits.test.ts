import test from 'ava';
import { Throttle } from '../../src/throttle/throttle.js';

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
