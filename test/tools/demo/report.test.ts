import test from 'ava';
import { plainText } from '../../../src/cli/top/styles.js';
import {
  barLines,
  demoChart,
  plainLine,
  resultTable,
  type Sample,
} from '../../../tools/demo/report.js';
import { ACTS } from '../../../tools/demo/script.js';

/** Two seconds of each act, the first of which is left out of the table. */
const SAMPLES: readonly Sample[] = [
  [
    [500, 500, 0],
    [800, 200, 0],
  ],
  [
    [500, 500, 0],
    [210, 790, 0],
  ],
  [
    [900, 100, 0],
    [500, 500, 0],
  ],
  [
    [900, 100, 3],
    [480, 500, 10],
  ],
].flatMap((act, index) =>
  act.map((requests, second) => {
    const queued = [30, 60, index === 3 ? 512 : 0];
    return { at: 2 * index + second + 1, seconds: 1, act: index, requests, queued };
  }),
);

test('bars of a second', (t) => {
  t.deepEqual(barLines(SAMPLES[1]!, ACTS[0]!).map(plainText), [
    'gold    ████████████████████████████████│·······   800/s   30 wait   80 % of 80 % asked',
    'silver  ████████│·······························   200/s   60 wait   20 % of 20 % asked',
    'held    ········································     0/s    0 wait   limit 10/s',
  ]);
});

test('the same second in one line', (t) => {
  t.is(
    plainLine(SAMPLES[7]!, ACTS[3]!),
    '  8 s  gold 480/s 30 wait 49 % of 50 % asked; silver 500/s 60 wait 51 % of 50 % asked; held 10/s 512 wait limit 10/s',
  );
});

test('what was asked and got, without the second in which weights change', (t) => {
  t.deepEqual(resultTable(SAMPLES).split('\n'), [
    '| while               |                   what |     asked |    got |   difference |',
    '| ------------------- | ---------------------: | --------: | -----: | -----------: |',
    '| gold 80, silver 20  |          share of gold |    80.0 % | 80.0 % | +0.00 points |',
    '|                     |        share of silver |    20.0 % | 20.0 % | +0.00 points |',
    '| silver 320          |          share of gold |    20.0 % | 21.0 % | +1.00 points |',
    '|                     |        share of silver |    80.0 % | 79.0 % | -1.00 points |',
    '| both 80             |          share of gold |    50.0 % | 50.0 % | +0.00 points |',
    '|                     |        share of silver |    50.0 % | 50.0 % | +0.00 points |',
    '| 512 held at 10 IOPS |          share of gold |    50.0 % | 49.0 % | -1.02 points |',
    '|                     |        share of silver |    50.0 % | 51.0 % | +1.02 points |',
    '|                     |           IOPS of held |        10 |   10.0 |      +0.00 % |',
    '|                     | IOPS of its neighbours | as before |    980 |      -2.00 % |',
  ]);
});

test('the picture has a line for each of the two, and says what happens', (t) => {
  const svg = demoChart(SAMPLES);
  t.is(svg.match(/<polyline/g)?.length, 2);
  for (const { says } of ACTS) t.true(svg.includes(`>${says}<`));
});
