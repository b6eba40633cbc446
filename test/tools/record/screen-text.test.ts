import test from 'ava';
import { parseScreen } from '../../../tools/record/screen-text.js';

const PLAIN = { bold: false, dim: false, inverse: false, colour: null };

test('runs of one look, over the ends of lines', (t) => {
  t.deepEqual(parseScreen('a\u001b[1;32mb\nc\u001b[0m\u001b[7md\u001b[27m\n\n'), [
    [
      { text: 'a', look: PLAIN },
      { text: 'b', look: { ...PLAIN, bold: true, colour: 2 } },
    ],
    [
      { text: 'c', look: { ...PLAIN, bold: true, colour: 2 } },
      { text: 'd', look: { ...PLAIN, inverse: true } },
    ],
    [],
  ]);
});

test('an attribute that a picture cannot show is an error', (t) => {
  t.throws(() => parseScreen('\u001b[4mx'), { message: /attribute 4/ });
});
