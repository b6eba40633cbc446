import type { GroupSnapshot, ImageSnapshot } from '../control/control.js';
import { formatWords } from '../control/text.js';
import { oneLine } from '../util/one-line.js';
import { formatCount, formatSize } from '../util/units.js';
import { type Column, formatTable } from './table.js';

/** A name may have 255 characters, and a path more: one of them does not push the figures off the screen. */
const MOST_NAME = 24;

const COLUMNS: readonly Column[] = [
  { title: 'GROUP', align: 'left', most: MOST_NAME },
  { title: 'MEMBER', align: 'left', most: MOST_NAME },
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

/** Nanoseconds for people. */
function formatWait(ns: number): string {
  return `${(ns / 1e9).toFixed(3)} s`;
}

/** @param tail Weight and pressure, which groups have and members have not. */
function cells(
  group: string,
  member: string,
  figures: GroupSnapshot['total'],
  tail: string[],
): string[] {
  return [
    group,
    member,
    formatSize(figures.rbytes),
    formatSize(figures.wbytes),
    formatCount(figures.rios),
    formatCount(figures.wios),
    formatSize(figures.dbytes),
    formatWait(figures.waitNs),
    String(figures.queued),
    String(figures.inflight),
    ...tail,
  ];
}

/** The settings of a group in the words of `sluice set`; empty without any. Weights are in the table. */
function settingsOf({ settings, mount }: GroupSnapshot): string {
  const { weight: _, ...below } = settings;
  return formatWords({ ...below, ...mount }).join(' ');
}

function rowsOf(group: GroupSnapshot): string[][] {
  const name = group.path === '' ? '/' : group.path;
  const tail = [String(group.settings.weight), `${group.pressure.some.avg10.toFixed(2)} %`];
  return [
    ...group.members.map((member) => cells(name, member.name, member.figures, ['', ''])),
    cells(name, '(total)', group.total, tail),
  ];
}

/**
 * The table of `sluice stat`, and below it the settings of each group that has any, and the images that
 * no group has.
 */
export function formatStat(
  groups: readonly GroupSnapshot[],
  images: readonly ImageSnapshot[],
): string {
  const settings = groups
    .map((group) => ({ name: group.path === '' ? '/' : group.path, text: settingsOf(group) }))
    .filter((group) => group.text !== '')
    .map((group) => `${group.name}: ${group.text}\n`);
  const below = settings.length === 0 ? '' : `\nLimits and targets:\n${settings.join('')}`;
  const passed = images.filter(({ passthrough }) => passthrough).map(({ name }) => oneLine(name));
  const beside = `\nPassed through, neither counted nor limited: ${passed.join(', ')}\n`;
  return formatTable(COLUMNS, groups.flatMap(rowsOf)) + below + (passed.length > 0 ? beside : '');
}
