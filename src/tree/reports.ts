import type {
  CacheSnapshot,
  GroupSnapshot,
  ImageSnapshot,
  PartitionSnapshot,
} from '../control/control.js';
import type { GroupFigures } from '../control/figures.js';
import { escapeName, unescapeName } from '../control/names.js';
import { readPairs, readSettings } from '../control/text.js';
import { NS_PER_US } from '../control/values.js';
import type { CostModel } from '../throttle/cost.js';
import type { Stats } from '../throttle/figure-rows.js';
import type { Pressure } from '../throttle/pressure.js';
import { parseShared } from './shared-report.js';
import { parseSized } from './sized-report.js';
import { parseTimes } from './time-report.js';

// The control files that nobody writes: their text, and how `sluice stat` reads it back.

/** The words of a line of `io.stat` with their figures; the manual describes them. */
const FIGURES: readonly (readonly [word: string, figure: keyof Stats, unit: number])[] = [
  ['rbytes', 'rbytes', 1],
  ['wbytes', 'wbytes', 1],
  ['rios', 'rios', 1],
  ['wios', 'wios', 1],
  ['dbytes', 'dbytes', 1],
  ['dios', 'dios', 1],
  ['wait_usec', 'waitNs', NS_PER_US],
  ['waits', 'waits', 1],
  ['queued', 'queued', 1],
  ['inflight', 'inflight', 1],
];

export const FIGURE_WORDS: readonly string[] = FIGURES.map(([word]) => word);

type Figured = Pick<GroupFigures, 'members' | 'total'>;

/** The lines of `io.stat`: one for each member of the group, and the group's total. */
export function formatStats({ members, total }: Figured): string[] {
  const lines = members.map(({ name, figures }) => formatLine(escapeName(name), figures));
  return [...lines, formatLine('total', total)];
}

function formatLine(name: string, stats: Stats): string {
  const words = FIGURES.map(
    ([word, figure, unit]) => `${word}=${Math.round(stats[figure] / unit)}`,
  );
  return `${name} ${words.join(' ')}`;
}

export function parseStats(text: string): Figured {
  const lines = text.split('\n').filter((line) => line !== '');
  const entries = lines.map((line) => {
    const at = line.search(/ [a-z_]+=/);
    const end = at < 0 ? line.length : at;
    return { name: unescapeName(line.slice(0, end)), figures: parseLine(line.slice(end)) };
  });
  // The last line is the total even if an image bears that name.
  const total = entries.pop()?.figures ?? parseLine('');
  return { members: entries, total };
}

/** Words of a later version are left out, missing ones are 0. */
function parseLine(text: string): Stats {
  const pairs = readPairs(text);
  const entries = FIGURES.map(([word, figure, unit]) => [
    figure,
    Number(pairs.get(word) ?? 0) * unit,
  ]);
  return Object.fromEntries(entries) as Stats;
}

/** Lines of figures that are logged at a time: a mount may have thousands of groups. */
const REPORT_LINES_MAX = 1000;

/** The lines of `io.stat` of all groups, each with the group's path before it. */
export function formatReport(groups: Iterable<GroupFigures>): string[] {
  const lines: string[] = [];
  for (const group of groups) {
    if (lines.length >= REPORT_LINES_MAX) return [...lines, 'more groups follow: see sluice stat'];
    for (const line of formatStats(group)) lines.push(`${group.path || '/'}: ${line}`);
  }
  return lines;
}

/** `io.pressure`: the two lines of /proc/pressure/io, percent of time and microseconds. */
export function formatPressure(pressure: Pressure): string {
  const lines = (['some', 'full'] as const).map((word) => {
    const { avg10, avg60, avg300, totalUs } = pressure[word];
    const averages = `avg10=${avg10.toFixed(2)} avg60=${avg60.toFixed(2)} avg300=${avg300.toFixed(2)}`;
    return `${word} ${averages} total=${Math.floor(totalUs)}`;
  });
  return lines.join('\n');
}

/** Zeros where a line is missing. */
function parsePressure(text: string): Pressure {
  const read = (word: 'some' | 'full') => {
    const pairs = readPairs(text.split('\n').find((line) => line.startsWith(`${word} `)) ?? '');
    const number = (key: string): number => Number(pairs.get(key) ?? 0);
    return {
      avg10: number('avg10'),
      avg60: number('avg60'),
      avg300: number('avg300'),
      totalUs: number('total'),
    };
  };
  return { some: read('some'), full: read('full') };
}

type Mount = NonNullable<GroupSnapshot['mount']>;

/** `io.depth`: `auto 24`, or the number that is set. */
export function formatDepth({ depth, window }: Mount): string {
  return depth === 'auto' ? `auto ${window}` : `${depth}`;
}

function parseMount(depthText: string, cost: string): Mount {
  const [mode, window = mode] = depthText.trim().split(' ');
  const depth = mode === 'auto' ? mode : Number(mode);
  return { depth, window: Number(window), cost: cost.trim() as CostModel };
}

/** A line of `images` for each. */
export function formatImages(images: readonly ImageSnapshot[]): string {
  const lines = images.map((image) => {
    const { name, format, size, readOnly, passthrough, faults, cache, path } = image;
    const words = [`format=${format}`, `size=${size}`, `read_only=${readOnly ? 1 : 0}`];
    words.push(`passthrough=${passthrough ? 1 : 0}`);
    if (faults !== null) {
      const { failed, delayed } = faults;
      words.push(`faults=${escapeWords(faults.words)}`, `failed=${failed}`, `delayed=${delayed}`);
    }
    if (cache !== undefined) {
      const { kept, fromCache, fromServer, isGrowing } = cache;
      words.push(`cache=${escapeName(cache.path)}`, `kept=${kept}`, `from_cache=${fromCache}`);
      words.push(`from_server=${fromServer}`, `growing=${isGrowing ? 1 : 0}`);
    }
    return `${escapeName(name)} ${words.join(' ')} path=${escapeName(path)}\n`;
  });
  return lines.join('');
}

export function parseImages(text: string): ImageSnapshot[] {
  return readNamed(text, (name, value) => ({
    name,
    path: unescapeName(value('path')),
    format: value('format'),
    size: Number(value('size')),
    readOnly: value('read_only') === '1',
    passthrough: value('passthrough') === '1',
    faults:
      value('faults') === ''
        ? null
        : {
            words: value('faults').replaceAll(';', ','),
            failed: Number(value('failed')),
            delayed: Number(value('delayed')),
          },
    ...(value('cache') !== '' && { cache: parseCache(value) }),
  }));
}

function parseCache(value: (key: string) => string): CacheSnapshot {
  return {
    path: unescapeName(value('cache')),
    kept: Number(value('kept')),
    fromCache: Number(value('from_cache')),
    fromServer: Number(value('from_server')),
    isGrowing: value('growing') === '1',
  };
}

/** A comma separates the words of a control file, too. */
function escapeWords(words: string): string {
  return words.replaceAll(',', ';');
}

/** Reads lines of a name and KEY=VALUE pairs. A key that a line has not is ''. */
function readNamed<T>(
  text: string,
  read: (name: string, value: (key: string) => string) => T,
): T[] {
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const [name = ''] = line.split(' ');
    const pairs = readPairs(line);
    return read(unescapeName(name), (key) => pairs.get(key) ?? '');
  });
}

/** A line of `partitions` for each. */
export function formatPartitions(partitions: readonly PartitionSnapshot[]): string {
  const lines = partitions.map(({ name, start, size, type, label }) => {
    const words = [`start=${start}`, `size=${size}`, `type=${type}`, `label=${escapeName(label)}`];
    return `${escapeName(name)} ${words.join(' ')}\n`;
  });
  return lines.join('');
}

export function parsePartitions(text: string): PartitionSnapshot[] {
  return readNamed(text, (name, value) => ({
    name,
    start: Number(value('start')),
    size: Number(value('size')),
    type: value('type'),
    label: unescapeName(value('label')),
  }));
}

/** A group from the texts of its control files; those that are missing say nothing is set. */
export function parseGroup(path: string, files: Readonly<Record<string, string>>): GroupSnapshot {
  const { 'io.depth': depth, 'io.shared': shared } = files;
  const sized = parseSized(files['io.per_gb'] ?? '');
  return {
    path,
    settings: readSettings(files),
    pressure: parsePressure(files['io.pressure'] ?? ''),
    ...parseStats(files['io.stat'] ?? ''),
    times: parseTimes(files['io.times'] ?? ''),
    ...(sized === undefined ? {} : { sized }),
    ...(shared === undefined ? {} : { shared: parseShared(shared) }),
    ...(depth === undefined ? {} : { mount: parseMount(depth, files['io.cost'] ?? '') }),
  };
}
