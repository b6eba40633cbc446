import test from 'ava';
import { oneLine } from '../../src/util/one-line.js';

test('control characters are written out, all else stays', (t) => {
  t.is(oneLine('a\nb\tc\rd'), String.raw`a\nb\tc\rd`);
  t.is(oneLine('\u001b[31mred\u0007\u007f\u009b'), String.raw`\x1b[31mred\x07\x7f\x9b`);
  t.is(oneLine('größe ’ 漢 \\'), 'größe ’ 漢 \\');
});
