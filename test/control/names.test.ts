import test from 'ava';
import { escapeName, unescapeName } from '../../src/control/names.js';

test('a name is one word, whatever is in it, and never the word of the sum', (t) => {
  const cases: [string, string][] = [
    ['web', 'web'],
    ['my disk', String.raw`my\040disk`],
    ['a=b,c', String.raw`a\075b\054c`],
    ['a\\b\t\n', String.raw`a\134b\011\012`],
    ['total', String.raw`\164otal`],
    ['total2', 'total2'],
    ['\u00fcbung', '\u00fcbung'],
  ];
  for (const [name, written] of cases) {
    t.is(escapeName(name), written);
    t.is(unescapeName(written), name);
  }
});

test('a backslash that begins no octal number stands for itself', (t) => {
  t.is(unescapeName(String.raw`a\b\9\47`), String.raw`a\b\9\47`);
});
