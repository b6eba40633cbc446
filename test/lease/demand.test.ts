import test from 'ava';
import { Demand } from '../../src/lease/demand.js';
import { NOT_SHARED, type Rates } from '../../src/lease/rates.js';
import { RATES } from '../../src/throttle/limits.js';

const of = (bps: number, iops: number): Rates =>
  RATES.map((key) => (key === 'bps' ? bps : key === 'iops' ? iops : NOT_SHARED));

const LIMITS = of(1e6, 1000);
const HELD = of(1e5, 100);

/** The last answer of a group with these figures, one every 50 ms. */
function wants(
  samples: readonly { bytes: number; ios: number; queued: number; inflight: number }[],
): {
  bps: number;
  iops: number;
} {
  const demand = new Demand();
  let [bytes, ios] = [5000, 7];
  let last = demand.sample(0, { used: of(bytes, ios), queued: 0, inflight: 0 }, HELD, LIMITS);
  for (const [index, one] of samples.entries()) {
    bytes += one.bytes;
    ios += one.ios;
    const usage = { used: of(bytes, ios), queued: one.queued, inflight: one.inflight };
    last = demand.sample(50 * (index + 1), usage, HELD, LIMITS);
  }
  return { bps: last[RATES.indexOf('bps')]!, iops: last[RATES.indexOf('iops')]! };
}

test('what was used before the first look counts for nothing', (t) => {
  t.deepEqual(wants([]), { bps: 0, iops: 0 });
});

test('who is not held back wants a quarter more than it uses', (t) => {
  t.deepEqual(wants([{ bytes: 400, ios: 2, queued: 0, inflight: 1 }]), { bps: 10_000, iops: 50 });
});

test('who waits wants all of the rate that holds it back, and not all of the other', (t) => {
  t.deepEqual(wants([{ bytes: 400, ios: 5, queued: 9, inflight: 1 }]), { bps: 10_000, iops: 1000 });
});

test('who has stopped wants nothing after one look', (t) => {
  const busy = { bytes: 400, ios: 5, queued: 9, inflight: 1 };
  t.deepEqual(wants([busy, { bytes: 0, ios: 0, queued: 0, inflight: 0 }]), { bps: 0, iops: 0 });
});

test('large requests at a low rate: a second without one is no end of the demand', (t) => {
  const pause = { bytes: 0, ios: 0, queued: 3, inflight: 0 };
  const large = { bytes: 100_000, ios: 1, queued: 3, inflight: 1 };
  t.is(wants([large, ...Array.from({ length: 19 }, () => pause)]).bps, 1e6);
  // Nothing has passed for a second: nobody knows what holds it back.
  t.deepEqual(wants([large, ...Array.from({ length: 20 }, () => pause)]), { bps: 1e6, iops: 1000 });
});
