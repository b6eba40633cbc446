import test from 'ava';
import { ConfigText } from '../../src/cli/config-text.js';

test('a value is had as it is written', (t) => {
  const text = new ConfigText(
    'f',
    'a: {mode: 0660, one: 1.50, word: "x y", 12: z}\nb: &b [7]\nc: *b',
  );
  t.is(text.written(['a', 'mode']), '0660');
  t.is(text.written(['a', 'one']), '1.50');
  t.is(text.written(['a', 'word']), 'x y');
  t.is(text.written(['a', '12']), 'z');
  t.is(text.written(['c', 0]), '7');
  t.is(text.written(['a', 'none']), '');
});

test('errors name line and column: of a value, a key, a reference, what a missing value would be in', (t) => {
  const text = new ConfigText('f', 'a:\n  one: 1\nb: &b\n  two: 2\nc: *b\n');
  t.is(text.refuse(['a', 'one'], 'x').message, 'f:2:8: a: one: x');
  t.is(text.refuseKey(['a', 'one'], 'x').message, 'f:2:3: a: x');
  t.is(text.refuse(['c'], 'x').message, 'f:5:4: c: x');
  t.is(text.refuse(['a', 'no'], 'x').message, 'f:2:3: a: no: x');
});

for (const [text, message] of [
  ['a: *x', 'f:1:4: *x: there is no &x before it'],
  ['\ta', 'f:1:1: tabs are not allowed as indentation'],
  ['a: !foo x', 'f:1:4: unresolved tag: !foo'],
  ['x'.repeat(1_100_000), 'f: longer than a configuration may be, 1 MiB'],
] as const) {
  test(`no text: ${text.slice(0, 20)}`, (t) => {
    t.throws(() => new ConfigText('f', text), { message });
  });
}

test('references that multiply are refused', (t) => {
  const levels = ['a0: &a0 [x]'];
  for (let level = 1; level < 9; level++) {
    const above = Array(9)
      .fill(`*a${level - 1}`)
      .join(', ');
    levels.push(`a${level}: &a${level} [${above}]`);
  }
  t.throws(() => new ConfigText('f', levels.join('\n')), { message: /^f:1:1: .*alias/ });
});
