import test from 'ava';
import {
  BUCKETS,
  bucketOf,
  LONGEST_US,
  percentiles,
  startOf,
} from '../../src/throttle/latency-buckets.js';
import fc from '../helpers/random-sequences.js';

test('buckets are a microsecond wide up to 16, then an eighth of their start at most', (t) => {
  const at = [0, 1, 15, 16, 17, 18, 31, 32, 35, 36, 63, 64, 1000, LONGEST_US];
  t.deepEqual(at.map(bucketOf), [0, 1, 15, 16, 16, 17, 23, 24, 24, 25, 31, 32, 63, 231]);
  t.is(BUCKETS, 232);
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    t.is(bucketOf(startOf(bucket)), bucket);
    t.is(bucketOf(startOf(bucket + 1) - 1), bucket);
    t.true(startOf(bucket + 1) - startOf(bucket) <= Math.max(1, startOf(bucket) / 8));
  }
});

test('a percentile is that of the times themselves, but for an eighth', (t) => {
  const times = fc.array(fc.oneof(fc.nat(40), fc.nat(100_000), fc.nat(LONGEST_US)), {
    minLength: 1,
    maxLength: 200,
  });
  const part = fc.constantFrom(0.5, 0.9, 0.99, 0.999);
  fc.assert(
    fc.property(times, part, (list, wanted) => {
      const counts = new Float64Array(BUCKETS);
      for (const us of list) counts[bucketOf(us)]++;
      const sorted = list.toSorted((a, b) => a - b);
      const exact = sorted[Math.ceil(wanted * list.length) - 1]!;
      const [found = -1] = percentiles([wanted], counts, list.length);
      t.deepEqual(percentiles([0.1, wanted, 1], counts, list.length)[1], found);
      t.true(Math.abs(found - exact) <= exact / 8, `${found} for ${exact}`);
    }),
  );
});

test('a percentile goes from the start of its bucket to the end', (t) => {
  const counts = new Float64Array(BUCKETS);
  // 1024 to 1151 us.
  counts[bucketOf(1024)] = 100;
  t.deepEqual(percentiles([0.01, 0.5, 1], counts, 100), [1025, 1088, 1151]);
  t.deepEqual(percentiles([0.99], new Float64Array(BUCKETS), 0), [0]);
});

test('requests that are in no bucket took no time', (t) => {
  const counts = new Float64Array(BUCKETS);
  counts[bucketOf(7)] = 2;
  t.deepEqual(percentiles([0.5, 0.98, 0.99, 1], counts, 100), [0, 0, 7, 7]);
});
