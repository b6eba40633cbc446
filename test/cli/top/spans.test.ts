import test from 'ava';
import { ASCII, bar, clipLine, fit, span, sparkline, UNICODE } from '../../../src/cli/top/spans.js';
import { plainText } from '../../../src/cli/top/styles.js';

const drawn = (...words: Parameters<typeof bar>): string => plainText(bar(...words));

test('a bar is as full as its part, to an eighth of a cell', (t) => {
  t.is(drawn(0, 4, UNICODE), '····');
  t.is(drawn(0.5, 4, UNICODE), '██··');
  t.is(drawn(0.53, 4, UNICODE), '██▏·');
  t.is(drawn(1, 4, UNICODE), '████');
  t.is(drawn(7, 4, UNICODE), '████');
  t.is(drawn(0.6, 4, ASCII), '##..');
});

test('a bar has a mark where the share should be, unless the bar hides it', (t) => {
  t.is(drawn(0.25, 8, UNICODE, 0.75), '██····│·');
  t.is(drawn(1, 4, UNICODE, 0.5), '████');
  t.is(drawn(0, 4, ASCII, 1), '...|');
});

test('a bar warns where a limit is used up, not where a share is large', (t) => {
  t.deepEqual(bar(1, 2, UNICODE), [span('██', 'warn')]);
  t.deepEqual(bar(1, 2, UNICODE, 0.5), [span('██', 'good')]);
});

test('texts take exactly their cells, wide characters too', (t) => {
  t.is(fit('abc', 5, UNICODE, 'left'), 'abc  ');
  t.is(fit('abc', 5, UNICODE, 'right'), '  abc');
  t.is(fit('abcdef', 4, UNICODE, 'left'), 'abc…');
  t.is(fit('日本語', 4, UNICODE, 'left'), '日… ');
  t.is(fit('abcdef', 4, ASCII, 'left'), 'abc~');
  const line = [span('abc', 'bold'), span('defg')];
  t.deepEqual(clipLine(line, 5, UNICODE), [span('abc', 'bold'), span('d…')]);
});

test('a sparkline ends with the newest value, and shows a little as something', (t) => {
  t.is(sparkline([0, 1, 50, 100], 6, 100, UNICODE), '   ▁▄█');
  t.is(sparkline([1, 2, 3, 4], 2, 4, UNICODE), '▆█');
  t.is(sparkline([0, 0], 3, 0, UNICODE), '   ');
});
