import test from 'ava';
import {
  edge,
  grantsOf,
  leastRate,
  mostBeyond,
  ratesOf,
  reaches,
  type Sample,
} from '../../../tools/shared-hosts/samples.js';

/** A sample that took 2 ms. */
const at = (ms: number, ...counts: number[]): Sample => {
  return { from: ms, to: ms + 2, counts, granted: counts };
};

/** One sample in 10 ms, for `ms`; `rates` are requests per ms. */
function steady(ms: number, ...rates: number[]): Sample[] {
  return Array.from({ length: ms / 10 + 1 }, (_, step) =>
    at(10 * step, ...rates.map((rate) => 10 * step * rate)),
  );
}

test('what hosts have beyond a rate is found in the stretch where it is largest', (t) => {
  // 1 per ms are allowed, and 30 in 10 ms passed: at most 12 ms, so 18 are too many.
  t.is(mostBeyond([at(0, 0, 0), at(10, 20, 10), at(20, 20, 10)], 1000), 18);
  t.is(mostBeyond(steady(2000, 0.5, 0.5), 1000), 0);
  t.is(mostBeyond(steady(1000, 1, 1), 1000), 998);
});

test('a host that comes later had none before', (t) => {
  const samples = [at(0, 0), at(100, 100, 40), at(200, 200, 90)];
  t.is(mostBeyond(samples, 1000), 200 + 90 - 202);
  t.deepEqual(ratesOf(samples), [1000, 450]);
});

test('the least rate in a second counts, not the mean', (t) => {
  const samples = steady(4000, 1);
  // Nothing in the second from 1000 on; all of it in the end.
  const still = samples.map(({ from, counts }) => {
    return at(from, from > 1000 && from < 2000 ? 1000 : counts[0]!);
  });
  const least = leastRate(samples, 0);
  t.true(least > 980 && least <= 1000);
  t.true(leastRate(still, 0) < 30);
  t.is(leastRate(steady(900, 1), 0), Infinity);
});

test('edges of a load, the first and the last', (t) => {
  const samples = steady(1000, 0, 1).map(({ from, counts }) => {
    return at(from, Math.min(300, from), Math.max(0, counts[1]! - 500));
  });
  t.is(edge(samples, 0, 'last'), 302);
  t.is(edge(samples, 1, 'first'), 512);
});

test('grants: when one is reached, and their mean', (t) => {
  const samples = [at(0, 1, 3), at(10, 1, 500), at(20, 1, 700)];
  t.is(reaches(samples, 1, 500), 12);
  t.is(reaches(samples, 1, 2000), null);
  t.is(grantsOf(samples), 402);
});
