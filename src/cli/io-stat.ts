import type { GroupFiles } from '../server/control-reader.js';
import { unescapeName } from '../tree/names.js';

/** Keys of a line of `io.stat`; see the manual. */
export const FIGURES = [
  'rbytes',
  'wbytes',
  'rios',
  'wios',
  'dbytes',
  'dios',
  'wait_usec',
  'queued',
  'inflight',
] as const;

/** Figures of one member or of a whole group, since the mount. */
export type Figures = Record<(typeof FIGURES)[number], number>;

/** Control files that `sluice stat` reads. */
export const STAT_FILES = [
  'io.stat',
  'io.max',
  'io.burst',
  'io.weight',
  'io.min',
  'io.latency',
  'io.pressure',
  'io.depth',
  'io.cost',
] as const;

/** One line of `io.pressure`: percent of the last seconds, and microseconds in all. */
export type PressureLine = Record<'avg10' | 'avg60' | 'avg300' | 'total', number>;

/** One group as its control files tell it. */
export interface GroupStat {
  /** Path below the root group, `''` for it. */
  path: string;
  /** Keys and values of `io.max`: numbers as text, or `max`. */
  limits: Record<string, string>;
  /** Keys and values of `io.burst`: RATE/SECONDS, or `max` for none. */
  bursts: Record<string, string>;
  weight: number;
  /** Keys and values of `io.min`. */
  minimum: Record<string, string>;
  /** Latency target, microseconds; null for none. */
  latency: number | null;
  pressure: { some: PressureLine; full: PressureLine };
  /** `auto 24` or a number; of the root group only. */
  depth?: string;
  /** The cost model; of the root group only. */
  cost?: string;
  members: { name: string; figures: Figures }[];
  total: Figures;
}

function parsePairs(text: string): Record<string, string> {
  const pairs: Record<string, string> = {};
  for (const word of text.trim().split(/\s+/)) {
    const equals = word.indexOf('=');
    if (equals > 0) pairs[word.slice(0, equals)] = word.slice(equals + 1);
  }
  return pairs;
}

/** Figures of a line; keys of a later version are ignored, missing ones are 0. */
function parseFigures(text: string): Figures {
  const pairs = parsePairs(text);
  const figures = {} as Figures;
  for (const key of FIGURES) figures[key] = Number(pairs[key] ?? 0);
  return figures;
}

/** Parses `io.stat`: a line for each member, with its name escaped, and a last `total`. */
export function parseIoStat(text: string): Pick<GroupStat, 'members' | 'total'> {
  const lines = text.split('\n').filter((line) => line !== '');
  const entries = lines.map((line) => {
    const at = line.search(/ [a-z_]+=/);
    const end = at < 0 ? line.length : at;
    return { name: unescapeName(line.slice(0, end)), figures: parseFigures(line.slice(end)) };
  });
  // The last line is the total even if an image bears that name.
  const total = entries.pop()?.figures ?? parseFigures('');
  return { members: entries, total };
}

/** The line of `io.pressure` that begins with `word`; zeros where there is none. */
function parsePressure(text: string, word: string): PressureLine {
  const line = text.split('\n').find((one) => one.startsWith(`${word} `)) ?? '';
  const { avg10 = 0, avg60 = 0, avg300 = 0, total = 0 } = parsePairs(line);
  const numbers = [avg10, avg60, avg300, total].map(Number) as [number, number, number, number];
  return { avg10: numbers[0], avg60: numbers[1], avg300: numbers[2], total: numbers[3] };
}

function parseGroup({ path, files }: GroupFiles): GroupStat {
  const target = parsePairs(files['io.latency'] ?? '').target ?? 'max';
  const pressure = files['io.pressure'] ?? '';
  const group: GroupStat = {
    path,
    limits: parsePairs(files['io.max'] ?? ''),
    bursts: parsePairs(files['io.burst'] ?? ''),
    weight: Number(/[0-9]+/.exec(files['io.weight'] ?? '')?.[0] ?? 100),
    minimum: parsePairs(files['io.min'] ?? ''),
    latency: target === 'max' ? null : Number(target),
    pressure: { some: parsePressure(pressure, 'some'), full: parsePressure(pressure, 'full') },
    ...parseIoStat(files['io.stat'] ?? ''),
  };
  if (files['io.depth'] !== undefined) group.depth = files['io.depth'].trim();
  if (files['io.cost'] !== undefined) group.cost = files['io.cost'].trim();
  return group;
}

/** Reads the files of each group; see STAT_FILES. */
export function parseGroups(groups: readonly GroupFiles[]): GroupStat[] {
  return groups.map(parseGroup);
}
