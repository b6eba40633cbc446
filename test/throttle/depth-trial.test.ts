import test from 'ava';
import { DepthMeter } from '../../src/throttle/depth-meter.js';
import { DepthTrial } from '../../src/throttle/depth-trial.js';
import { ENOUGH, TOO_LITTLE, UNDECIDED } from '../../src/throttle/throughput-comparison.js';
import { measureAt } from './measurements.js';

test('means of measurements are those at one window', (t) => {
  const trial = new DepthTrial(64, new DepthMeter());
  t.is(trial.depth, 64);
  trial.set(7);
  t.deepEqual([trial.depth, trial.level], [8, 7]);
  measureAt(trial, { inflight: 8, partial: 0.5 });
  t.false(trial.averaged(2));
  measureAt(trial, { inflight: 4, partial: 0 });
  t.true(trial.averaged(2));
  t.is(trial.inflight, 6);
  t.true(Math.abs(trial.partialBacklog - 0.25) < 0.01, `${trial.partialBacklog}`);
  trial.set(7);
  measureAt(trial, { inflight: 2, partial: 0 });
  t.true(trial.averaged(1));
  t.deepEqual([trial.inflight, trial.partialBacklog], [2, 0]);
  trial.lift();
  t.is(trial.depth, 64);
});

test('two windows are measured in turn until one is clearly better', (t) => {
  for (const [part, verdict] of [
    [0.9, ENOUGH],
    [0.5, TOO_LITTLE],
  ] as const) {
    const trial = new DepthTrial(64, new DepthMeter());
    trial.compare(15, 3, 0.75, 0);
    t.deepEqual([trial.depth, trial.candidate, trial.compared], [16, 3, 15]);
    measureAt(trial, { inflight: 4, rate: 1 });
    t.is(trial.verdict(20e6), UNDECIDED);
    t.deepEqual([trial.depth, trial.compared], [4, 3]);
    measureAt(trial, { inflight: 4, rate: part });
    t.is(trial.verdict(40e6), verdict);
  }
});
