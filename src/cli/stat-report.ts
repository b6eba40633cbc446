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
];

/** Microseconds for people. */
function formatWait(microseconds: number): string {
  return `${(microseconds / 1e6).toFixed(3)} s`;
}

function cells(group: string, member: string, figures: Figures): string[] {
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
  ];
}

/** The limits that are set, in the words of `io.max`; empty if there is none. */
function limitsOf(group: GroupStat): string {
  const set = Object.entries(group.limits).filter(([key, value]) => {
    return value !== 'max' && !(key === 'iops_size' && value === '0');
  });
  return set.map(([key, value]) => `${key}=${value}`).join(' ');
}

/** The table of `sluice stat`, and below it the limits of each group that has some. */
export function formatStat(groups: readonly GroupStat[]): string {
  const rows = groups.flatMap((group) => {
    const name = group.path === '' ? '/' : group.path;
    const members = group.members.map((member) => cells(name, member.name, member.figures));
    return [...members, cells(name, '(total)', group.total)];
  });
  const limits = groups
    .map((group) => ({ name: group.path === '' ? '/' : group.path, text: limitsOf(group) }))
    .filter((group) => group.text !== '')
    .map((group) => `${group.name}: ${group.text}\n`);
  const below = limits.length === 0 ? '' : `\nLimits a second:\n${limits.join('')}`;
  return formatTable(COLUMNS, rows) + below;
}
