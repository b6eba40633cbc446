import { formatCount, formatSize } from '../util/units.js';
import type { Figures, GroupStat } from './io-stat.js';
import { type Column, formatTable } from './table.js';

const COLUMNS: readonly Column[] = [
  { title: 'GROUP', align: 'left' },
  { title: 'MEMBER', align: 'left' },
  { title: 'READ', align: 'right' },
  { title: 'WRITTEN', align: 'right' },
  { title: 'READS', align: 'right' },
  { title: 'WRITES', align: 'right' },
  { title: 'DISCARDED', align: 'right' },
  { title: 'WAITED', align: 'right' },
  { title: 'QUEUED', align: 'right' },
  { title: 'IN FLIGHT', align: 'right' },
  { title: 'WEIGHT', align: 'right' },
  { title: 'PRESSURE', align: 'right' },
];

/** Microseconds for people. */
function formatWait(microseconds: number): string {
  return `${(microseconds / 1e6).toFixed(3)} s`;
}

/** @param tail Weight and pressure, which groups have and members have not. */
function cells(group: string, member: string, figures: Figures, tail: string[]): string[] {
  return [
    group,
    member,
    formatSize(figures.rbytes),
    formatSize(figures.wbytes),
    formatCount(figures.rios),
    formatCount(figures.wios),
    formatSize(figures.dbytes),
    formatWait(figures.wait_usec),
    String(figures.queued),
    String(figures.inflight),
    ...tail,
  ];
}

/** What is set, in the words of `sluice set`; empty if there is nothing. */
function settingsOf({ limits, bursts, minimum, latency, depth, cost }: GroupStat): string {
  const set = Object.entries(limits).filter(([key, value]) => {
    return value !== 'max' && !(key === 'iops_size' && value === '0');
  });
  const burst = Object.entries(bursts).filter(([, value]) => value !== 'max');
  const least = Object.entries(minimum).filter(([, value]) => value !== '0');
  const words = [
    ...set.map(([key, value]) => `${key}=${value}`),
    ...burst.map(([key, value]) => `burst.${key}=${value}`),
    ...least.map(([key, value]) => `min.${key}=${value}`),
  ];
  if (latency !== null) words.push(`latency=${latency}`);
  if (depth !== undefined && !depth.startsWith('auto')) words.push(`depth=${depth}`);
  if (cost !== undefined && cost !== 'linear') words.push(`cost=${cost}`);
  return words.join(' ');
}

function rowsOf(group: GroupStat): string[][] {
  const name = group.path === '' ? '/' : group.path;
  const tail = [String(group.weight), `${group.pressure.some.avg10.toFixed(2)} %`];
  return [
    ...group.members.map((member) => cells(name, member.name, member.figures, ['', ''])),
    cells(name, '(total)', group.total, tail),
  ];
}

/** The table of `sluice stat`, and below it what is set for each group that has something set. */
export function formatStat(groups: readonly GroupStat[]): string {
  const settings = groups
    .map((group) => ({ name: group.path === '' ? '/' : group.path, text: settingsOf(group) }))
    .filter((group) => group.text !== '')
    .map((group) => `${group.name}: ${group.text}\n`);
  const below = settings.length === 0 ? '' : `\nLimits and targets:\n${settings.join('')}`;
  return formatTable(COLUMNS, groups.flatMap(rowsOf)) + below;
}
