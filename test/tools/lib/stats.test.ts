import test from 'ava';
import { median, quantile, rotate, spreadOf, summarize } from '../../../tools/lib/stats.js';

test('the median is the middle, or the mean of the middle two', (t) => {
  t.is(median([30, 1, 20]), 20);
  t.is(median([100, 9, 20, 30]), 25);
  t.throws(() => median([]));
});

test('a summary keeps the rounds in their order', (t) => {
  t.deepEqual(summarize([3, 1, 2]), { median: 2, min: 1, max: 3, rounds: [3, 1, 2] });
  t.is(summarize([]), null);
});

test('each round starts at the next one and has them all', (t) => {
  t.deepEqual(rotate(['a', 'b', 'c'], 1), ['b', 'c', 'a']);
  t.deepEqual(rotate(['a', 'b', 'c'], 3), ['a', 'b', 'c']);
  t.deepEqual(rotate([], 2), []);
});

test('a quantile lies between the two values that are nearest', (t) => {
  t.is(quantile([40, 10, 30, 20, 50], 0.25), 20);
  t.is(quantile([10, 20], 0.75), 17.5);
  t.is(quantile([7], 0.9), 7);
  t.throws(() => quantile([], 0.5));
});

test('the median of more rounds is surer', (t) => {
  const values = Array.from({ length: 101 }, (_, at) => at);
  const { median: middle, quartiles, error } = spreadOf(values);
  t.deepEqual([middle, ...quartiles], [50, 25, 75]);
  // 2 x 1.25 x 50 / 1.35 / sqrt(101)
  t.is(error.toFixed(3), '9.213');
  t.true(spreadOf([...values, ...values]).error < error);
});
