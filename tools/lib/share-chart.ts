import { type Series, sharesOf } from './shares.js';

/** Place of the drawing area, in pixels. */
const LEFT = 44;
const TOP = 34;
const WIDTH = 660;
const HEIGHT = 200;
const COLOURS = ['#0969da', '#cf222e', '#1a7f37'];
/** Most numbers below the time axis. */
const TIMES = 9;

/** Something that happens at a time, in seconds. */
export interface ChartEvent {
  readonly at: number;
  readonly says: string;
}

/** A picture (SVG) of the shares of up to three groups over time. */
export function shareChart(
  names: readonly string[],
  series: Series,
  /** Seconds of a stretch. */
  every: number,
  events: readonly ChartEvent[],
): string {
  const seconds = series.length * every;
  const x = (at: number): string => (LEFT + (at / seconds) * WIDTH).toFixed(1);
  const y = (share: number): string => (TOP + HEIGHT - (share / 100) * HEIGHT).toFixed(1);
  const shares = series.map(sharesOf);
  const lines = names.map((_, group) => {
    const points = shares.map((row, at) => `${x((at + 1) * every)},${y(row[group])}`);
    return `<polyline fill="none" stroke="${COLOURS[group]}" points="${points.join(' ')}"/>`;
  });
  const labels = names.map((name, at) => {
    return `<text x="${LEFT + WIDTH + 8}" y="${TOP + 14 + 18 * at}" fill="${COLOURS[at]}">${name}</text>`;
  });
  const grid = [0, 20, 40, 60, 80, 100].map(
    (share) =>
      `<path stroke="#d0d7de" d="M${LEFT} ${y(share)}h${WIDTH}"/>` +
      `<text x="${LEFT - 8}" y="${y(share)}" dy="4" text-anchor="end">${share}</text>`,
  );
  const marks = events.map(
    ({ at, says }) =>
      `<path stroke="#8c959f" stroke-dasharray="3" d="M${x(at)} ${TOP}v${HEIGHT}"/>` +
      `<text x="${x(at)}" y="${TOP - 8}" dx="4">${says}</text>`,
  );
  const step = Math.max(1, Math.ceil(seconds / TIMES));
  const times = Array.from({ length: Math.floor(seconds / step) + 1 }, (_, index) => {
    const at = index * step;
    return `<text x="${x(at)}" y="${TOP + HEIGHT + 18}" text-anchor="middle">${at} s</text>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="740" height="264" font-family="sans-serif" font-size="12">`,
    '<rect width="740" height="264" fill="white"/>',
    `<text x="4" y="${TOP - 20}">share, %</text>`,
    ...grid,
    ...marks,
    ...times,
    ...lines,
    ...labels,
    '</svg>',
    '',
  ].join('\n');
}
