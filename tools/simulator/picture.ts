import { shareChart } from '../lib/share-chart.js';
import { type Choice, simulate } from './report.js';
import type { Load, Simulation } from './simulation.js';

/** Seconds of the run, and of a stretch. */
const SECONDS = 4;
const STRETCH = 0.02;

const LOADS: readonly Load[] = [
  { group: 'a', weight: 50, threads: 128 },
  { group: 'b', weight: 50, threads: 128 },
  { group: 'c', weight: 100, threads: 128, from: 2, until: 3 },
];
const EVENTS = [
  { at: 0, says: 'a, b: weight 50' },
  { at: 1, says: 'a 80, b 20' },
  { at: 2, says: 'c starts: weight 100' },
  { at: 3, says: 'c stops' },
];

function setWeights({ throttle }: Simulation): void {
  throttle.setWeight(throttle.findGroup('a')!, 80);
  throttle.setWeight(throttle.findGroup('b')!, 20);
}

/** A picture (SVG) of the shares of three groups over time, while weights change and one comes and goes. */
export function picture(choice: Choice): string {
  const more = { warmUp: 0, every: STRETCH, changes: [{ at: 1, action: setWeights }] };
  const { series } = simulate({ ...choice, seconds: SECONDS }, [...LOADS], 'auto', more);
  const names = LOADS.map(({ group }) => group);
  return shareChart(names, series, STRETCH, EVENTS);
}
