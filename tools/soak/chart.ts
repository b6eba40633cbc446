import { CURVES, type Sample } from './samples.js';

const WIDTH = 640;
const PANEL = 110;
const LEFT = 44;
const RIGHT = 96;
const TOP = 22;
const GAP = 14;
const COLOURS = ['#1b6ca8', '#c0562f', '#4a7c3a'] as const;

/** A value with a decimal only where that tells something. */
function label(value: number): string {
  return value >= 100 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(1);
}

interface Scale {
  x(minute: number): number;
  y(value: number): number;
}

function line(
  samples: readonly Sample[],
  key: (typeof CURVES)[number]['key'],
  scale: Scale,
): string {
  return samples
    .map((sample) => `${scale.x(sample.minute).toFixed(1)},${scale.y(sample[key]).toFixed(1)}`)
    .join(' ');
}

/** One panel for each curve, from zero to the largest value, with a line for each daemon. */
export function toSvg(curves: ReadonlyMap<string, readonly Sample[]>, title: string): string {
  const minutes = Math.max(1, ...[...curves.values()].flat().map(({ minute }) => minute));
  const height = TOP + CURVES.length * (PANEL + GAP) + 16;
  const parts = CURVES.map(({ key, title: name }, panel) => {
    const top = TOP + panel * (PANEL + GAP);
    const values = [...curves.values()].flat().map((sample) => sample[key]);
    const most = Math.max(1, ...values) * 1.1;
    const scale: Scale = {
      x: (minute) => LEFT + ((WIDTH - LEFT - RIGHT) * minute) / minutes,
      y: (value) => top + PANEL - ((PANEL - 16) * value) / most,
    };
    const axis = `<path d="M${LEFT} ${top + 14}V${top + PANEL}H${WIDTH - RIGHT}" fill="none" stroke="#888"/>`;
    const head = `<text x="${LEFT}" y="${top + 9}">${name}</text>`;
    const ends = [...curves].map(([daemon, samples], index) => {
      const last = samples.at(-1);
      if (last === undefined) return '';
      const colour = COLOURS[index % COLOURS.length];
      const at = scale.y(last[key]) + (index === 0 ? -1 : 9);
      const text = `<text x="${WIDTH - RIGHT + 6}" y="${at.toFixed(1)}" fill="${colour}">${daemon} ${label(last[key])}</text>`;
      const points = line(samples, key, scale);
      return `<polyline points="${points}" fill="none" stroke="${colour}" stroke-width="1.5"/>${text}`;
    });
    return [axis, head, ...ends].join('');
  });
  const foot = `<text x="${LEFT}" y="${height - 6}">0 to ${label(Math.round(minutes))} minutes</text>`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="11">`,
    `<rect width="100%" height="100%" fill="#fff"/><text x="${LEFT}" y="14" font-weight="bold">${title}</text>`,
    ...parts,
    foot,
    '</svg>\n',
  ].join('\n');
}
