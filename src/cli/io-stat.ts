import type { GroupFiles } from '../daemon/control-reader.js';

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

/** One group as its control files tell it. */
export interface GroupStat {
  /** Path below the root group, `''` for it. */
  path: string;
  /** Keys and values of `io.max`: numbers as text, or `max`. */
  limits: Record<string, string>;
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

/** Parses `io.stat`: a line for each member, whose name may contain spaces, and a last `total`. */
export function parseIoStat(text: string): Pick<GroupStat, 'members' | 'total'> {
  const lines = text.split('\n').filter((line) => line !== '');
  const entries = lines.map((line) => {
    const at = line.search(/ [a-z_]+=/);
    const end = at < 0 ? line.length : at;
    return { name: line.slice(0, end), figures: parseFigures(line.slice(end)) };
  });
  // The last line is the total even if an image bears that name.
  const total = entries.pop()?.figures ?? parseFigures('');
  return { members: entries, total };
}

/** Reads the files `io.stat` and `io.max` of each group. */
export function parseGroups(groups: readonly GroupFiles[]): GroupStat[] {
  return groups.map(({ path, files }) => ({
    path,
    limits: parsePairs(files['io.max'] ?? ''),
    ...parseIoStat(files['io.stat'] ?? ''),
  }));
}
