import type { BenchReport } from './bench-report.js';
import type { CaseResult } from './bench-run.js';
import { machineLine } from './lib/machine.js';
import { formatBytesPerSecond, formatIops } from './lib/table.js';

/** Sizes in pixels. A column is a storage, a panel a case, a bar a server. */
const NAME = 130;
const BAR = 260;
const FIGURE = 70;
const COLUMN = NAME + BAR + FIGURE;
const ROW = 15;
const PANEL_HEAD = 24;
const TOP = 56;
const MARGIN = 12;
const OURS = '#0969da';
const CEILING = '#8c959f';
const OTHERS = '#d4a72c';

/** Longest bar, as a multiple of the host file: what is faster still is cut. */
const MOST = 1.15;

interface Bar {
  name: string;
  /** Of the host file. */
  part: number;
  says: string;
}

function barsOf(result: CaseResult, servers: readonly string[]): Bar[] {
  const ceiling = result.servers['host file']?.figure?.median;
  if (!ceiling) return [];
  const format = result.unit === 'iops' ? formatIops : formatBytesPerSecond;
  return servers.flatMap((name) => {
    const figure = result.servers[name]?.figure;
    if (!figure) return [];
    return [{ name, part: figure.median / ceiling, says: format(figure.median) }];
  });
}

function colourOf(name: string): string {
  if (name === 'host file') return CEILING;
  return name.startsWith('sluice') ? OURS : OTHERS;
}

/** Two lines: one would be longer than a picture of one storage is wide. */
function machineText(machine: BenchReport['machine']): string[] {
  const [head = '', ...rest] = machineLine(machine).split('; ');
  return [head, rest.join('; ')].map(
    (text, at) => `<text x="${MARGIN}" y="${13 + 12 * at}" font-size="9">${text}</text>`,
  );
}

function panel(result: CaseResult, bars: readonly Bar[], left: number, top: number): string[] {
  const rows = bars.map(({ name, part, says }, at) => {
    const y = top + PANEL_HEAD + at * ROW;
    const width = (BAR * Math.min(part, MOST)) / MOST;
    return (
      `<text x="${left + NAME - 6}" y="${y + 9}" text-anchor="end">${name}</text>` +
      `<rect x="${left + NAME}" y="${y}" width="${width.toFixed(1)}" height="${ROW - 4}" fill="${colourOf(name)}"/>` +
      `<text x="${(left + NAME + width + 5).toFixed(1)}" y="${y + 9}">${says}</text>`
    );
  });
  const head = `<text x="${left + NAME}" y="${top + 15}" font-weight="bold">${result.title}</text>`;
  return [head, ...rows];
}

/**
 * A picture (SVG) of a report: for each case a bar for each server, as long as its part of the host file. Cases
 * without a figure of the host file are left out.
 */
export function benchBars({ results, servers, machine, fileSystems }: BenchReport): string {
  const parts: string[] = [];
  let bottom = TOP;
  const storages = (['tmpfs', 'disk'] as const).filter((storage) =>
    results.some((one) => one.storage === storage),
  );
  for (const [column, storage] of storages.entries()) {
    const left = MARGIN + column * (COLUMN + MARGIN);
    const title = storage === 'tmpfs' ? 'Image on tmpfs' : `Image on a disk (${fileSystems.disk})`;
    parts.push(`<text x="${left + NAME}" y="44" font-size="14">${title}</text>`);
    let top = TOP;
    for (const result of results.filter((one) => one.storage === storage)) {
      const bars = barsOf(result, servers);
      if (bars.length === 0) continue;
      parts.push(...panel(result, bars, left, top));
      top += PANEL_HEAD + bars.length * ROW + 6;
    }
    bottom = Math.max(bottom, top);
  }
  const width = MARGIN + storages.length * (COLUMN + MARGIN);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${bottom + MARGIN}" font-family="sans-serif" font-size="11">`,
    '<rect width="100%" height="100%" fill="white"/>',
    ...machineText(machine),
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}
