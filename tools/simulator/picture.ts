import { sharesOf } from '../lib/shares.js';
import { type Choice, simulate } from './report.js';
import type { Load, Simulation } from './simulation.js';

/** Seconds of the run, and of a stretch. */
const SECONDS = 4;
const STRETCH = 0.02;

/** Place of the drawing area, in pixels. */
const LEFT = 44;
const TOP = 34;
const WIDTH = 660;
const HEIGHT = 200;
const COLOURS = ['#0969da', '#cf222e', '#1a7f37'];

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

const x = (seconds: number): string => (LEFT + (seconds / SECONDS) * WIDTH).toFixed(1);
const y = (share: number): string => (TOP + HEIGHT - (share / 100) * HEIGHT).toFixed(1);

/** A picture (SVG) of the shares of three groups over time, while weights change and one comes and goes. */
export function picture(choice: Choice): string {
  const more = { warmUp: 0, every: STRETCH, changes: [{ at: 1, action: setWeights }] };
  const { series } = simulate({ ...choice, seconds: SECONDS }, [...LOADS], 'auto', more);
  const shares = series.map(sharesOf);
  const lines = LOADS.map((_, group) => {
    const points = shares.map((row, at) => `${x((at + 1) * STRETCH)},${y(row[group])}`);
    return `<polyline fill="none" stroke="${COLOURS[group]}" points="${points.join(' ')}"/>`;
  });
  const labels = LOADS.map(({ group }, at) => {
    return `<text x="${LEFT + WIDTH + 8}" y="${TOP + 14 + 18 * at}" fill="${COLOURS[at]}">${group}</text>`;
  });
  const grid = [0, 20, 40, 60, 80, 100].map(
    (share) =>
      `<path stroke="#d0d7de" d="M${LEFT} ${y(share)}h${WIDTH}"/>` +
      `<text x="${LEFT - 8}" y="${y(share)}" dy="4" text-anchor="end">${share}</text>`,
  );
  const events = EVENTS.map(
    ({ at, says }) =>
      `<path stroke="#8c959f" stroke-dasharray="3" d="M${x(at)} ${TOP}v${HEIGHT}"/>` +
      `<text x="${x(at)}" y="${TOP - 8}" dx="4">${says}</text>`,
  );
  const seconds = [0, 1, 2, 3, 4].map((at) => {
    return `<text x="${x(at)}" y="${TOP + HEIGHT + 18}" text-anchor="middle">${at} s</text>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="740" height="264" font-family="sans-serif" font-size="12">`,
    '<rect width="740" height="264" fill="white"/>',
    `<text x="4" y="${TOP - 20}">share, %</text>`,
    ...grid,
    ...events,
    ...seconds,
    ...lines,
    ...labels,
    '</svg>',
    '',
  ].join('\n');
}
