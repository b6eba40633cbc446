import { readFileSync } from 'node:fs';
import test from 'ava';
import { movingPicture } from '../../../tools/record/moving-picture.js';
import { parseScreen } from '../../../tools/record/screen-text.js';

test('each screen is shown for its time, and lines that are the same are written once', (t) => {
  const frames = ['same\none <1>', 'same\ntwo'].map((text) => ({ lines: parseScreen(text) }));
  const svg = movingPicture(frames, 10, 2, 0.5);
  t.is(svg.match(/<g class="f"/g)?.length, 2);
  t.is(svg.match(/>same</g)?.length, 1);
  t.is(svg.match(/href="#l0"/g)?.length, 2);
  t.true(svg.includes('>one &lt;1&gt;<'));
  t.true(svg.includes('animation:k 1s step-end infinite'));
  t.true(svg.includes('50.0000%{visibility:hidden}'));
  t.true(svg.includes('animation-delay:0.50s'));
});

test('a run stands at its column', (t) => {
  const lines = parseScreen('ab   \u001b[32mcd\u001b[39m');
  t.true(movingPicture([{ lines }], 10, 1, 1).includes('<text x="42.0" textLength="16.8"'));
});

test('the picture of README.md shows what its text tells', (t) => {
  const svg = readFileSync('docs/top.svg', 'utf8');
  t.true(svg.includes('>silver: weight=320 (was weight=20; u takes it back)<'));
  t.true(svg.includes('>silver: weight=20<'));
});
