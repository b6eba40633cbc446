import test from 'ava';
import { median, rotate, summarize } from '../../../tools/lib/stats.js';

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
