import test from 'ava';
import { DepthCeiling } from '../../src/throttle/depth-ceiling.js';
import { DepthMeter } from '../../src/throttle/depth-meter.js';
import { DepthReview } from '../../src/throttle/depth-review.js';
import { DepthTrial } from '../../src/throttle/depth-trial.js';
import { measureAt } from './measurements.js';

/** Reviews a window; every window of `choice` at most leaves one, and throughput ends at `units`. */
function review(level: number, ceilingLevel: number, choice: number, units: number) {
  const trial = new DepthTrial(256, new DepthMeter());
  const ceiling = new DepthCeiling();
  ceiling.begin(ceilingLevel);
  ceiling.found(ceilingLevel);
  const it = new DepthReview(trial, ceiling);
  let now = 1e9;
  let outcome = it.begin(level, now);
  for (let i = 0; i < 200 && outcome !== 'kept' && outcome !== 'raised'; i++) {
    now += 20e6;
    const { depth } = trial;
    measureAt(trial, {
      inflight: depth,
      partial: depth > choice ? 1 : 0,
      rate: Math.min(depth, units) / units,
    });
    outcome = it.measured(now);
  }
  return [outcome, it.level, ceiling.level];
}

// Level 7 is a window of 8, level 15 one of 16, level 19 one of 24.
test('a window that is right is kept', (t) => {
  t.deepEqual(review(7, 15, 16, 8), ['kept', 7, 15]);
  t.deepEqual(review(15, 15, 16, 16), ['kept', 15, 15]);
});

test('a window that is too small grows by a level, one that is too large shrinks by one', (t) => {
  t.deepEqual(review(7, 15, 16, 12), ['kept', 8, 15]);
  t.deepEqual(review(7, 15, 16, 4), ['kept', 6, 15]);
});

test('a ceiling that was found too low rises, and the window with it if it was the ceiling', (t) => {
  t.deepEqual(review(15, 15, 24, 24), ['kept', 19, 19]);
  t.deepEqual(review(7, 15, 24, 8), ['raised', 7, 19]);
});

test('the least window is kept without a comparison', (t) => {
  t.deepEqual(review(0, 0, 1, 1), ['kept', 0, 0]);
});
