import test from 'ava';
import {
  fairFrom,
  isolation,
  jain,
  percentile,
  sharesOf,
  sumOf,
} from '../../../tools/lib/shares.js';

test('isolation is the share got over the share due, of the group that is worst off', (t) => {
  const series = [
    [80, 20],
    [72, 28],
    [85, 15],
  ];
  t.deepEqual(
    isolation(series, [80, 20]).map((one) => Math.round(one * 100) / 100),
    [100, 90, 75],
  );
  t.deepEqual(sumOf(series), [237, 63]);
  t.deepEqual(sharesOf([237, 63]), [79, 21]);
  t.deepEqual(sharesOf([0, 0]), [0, 0]);
});

test("Jain's index is 1 for the shares due, and 1 / n if one of n has all", (t) => {
  t.is(jain([80, 20], [80, 20]), 1);
  t.is(jain([7, 0, 0, 0], [1, 1, 1, 1]), 0.25);
  t.is(jain([1, 3], [1, 1]), 0.8);
});

test('a percentile is one of the values', (t) => {
  const values = [5, 1, 4, 2, 3];
  t.deepEqual([percentile(values, 0), percentile(values, 50), percentile(values, 100)], [1, 3, 5]);
  t.is(percentile(values, 1), 1);
  t.throws(() => percentile([], 1));
});

test('shares are fair from where they stay so', (t) => {
  t.is(fairFrom([50, 96, 80, 97, 98, 99], 95, 3), 3);
  t.is(fairFrom([50, 96, 80], 95, 2), -1);
});
