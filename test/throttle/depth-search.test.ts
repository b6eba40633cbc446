import test from 'ava';
import fc from 'fast-check';
import { DepthCeiling } from '../../src/throttle/depth-ceiling.js';
import { DepthMeter } from '../../src/throttle/depth-meter.js';
import { DepthSearch } from '../../src/throttle/depth-search.js';
import { DepthTrial } from '../../src/throttle/depth-trial.js';
import { measureAt } from './measurements.js';

/** A device and its load, by window. */
interface Model {
  /** Requests in flight without a window. */
  readonly threads: number;
  /** Largest window without partial backlog. */
  readonly choice: number;
  /** Window from which on throughput does not grow. */
  readonly units: number;
}

function search({ threads, choice, units }: Model) {
  const trial = new DepthTrial(256, new DepthMeter());
  const ceiling = new DepthCeiling();
  const it = new DepthSearch(trial, ceiling);
  let now = 1e9;
  let found = it.begin('open', now);
  let measurements = 0;
  while (!found && measurements < 500) {
    measurements++;
    now += 20e6;
    const inflight = Math.min(threads, trial.depth);
    const partial = inflight > choice ? 1 : 0;
    measureAt(trial, { inflight, partial, rate: Math.min(inflight, units) / units });
    found = it.measured(now);
  }
  const { ladder } = trial;
  const depths = [it.level, ceiling.level, ceiling.floor].map((level) => ladder.depthAt(level));
  return { found, depths, measurements };
}

test('the smallest window that keeps the throughput, below a ceiling that leaves a choice', (t) => {
  // Window, ceiling, and no floor: the least window.
  t.deepEqual(search({ threads: 200, choice: 64, units: 8 }).depths, [8, 64, 1]);
  t.deepEqual(search({ threads: 200, choice: 16, units: 16 }).depths, [16, 16, 1]);
});

test('a ceiling that is not worth three quarters of the throughput is raised to a floor', (t) => {
  // 3 / 4 of 32 are 24.
  t.deepEqual(search({ threads: 64, choice: 4, units: 32 }).depths, [24, 24, 24]);
});

test('where every window leaves a choice the ceiling is what is in flight', (t) => {
  t.deepEqual(search({ threads: 40, choice: 256, units: 4 }).depths, [4, 40, 1]);
});

test('a search ends within a hundred measurements, with a window that keeps what it shall', (t) => {
  const modelOf = fc.record({
    threads: fc.integer({ min: 2, max: 256 }),
    choice: fc.integer({ min: 1, max: 256 }),
    units: fc.integer({ min: 1, max: 256 }),
  });
  const property = fc.property(modelOf, (model) => {
    const { found, depths, measurements } = search(model);
    const [depth, ceiling] = depths as [number, number, number];
    const rate = (window: number): number => Math.min(window, model.threads, model.units);
    if (!found || measurements > 100) throw new Error(`${measurements} measurements`);
    if (depth > ceiling) throw new Error(`${depth} above ${ceiling}`);
    // Half of the error of the completions that were measured is forgiven: 3 % at most.
    if (rate(depth) < 0.93 * rate(ceiling)) throw new Error(`${depths}: too little`);
    if (rate(ceiling) < 0.7 * rate(256)) throw new Error(`${depths}: ceiling too low`);
  });
  t.notThrows(() => fc.assert(property, { numRuns: 60 }));
});
