import type { GroupSnapshot, ImageSnapshot } from '../control/control.js';
import { formatWords } from '../control/text.js';
import { oneLine } from '../util/one-line.js';
import { formatCount, formatSize } from '../util/units.js';
import { type Column, formatTable } from './table.js';

/** A name may have 255 characters, and a path more: one of them does not push the figures off the screen. */
const MOST_NAME = 24;

/** A member of a group, or the total of the group. */
interface Row {
  group: GroupSnapshot;
  member: string;
  figures: GroupSnapshot['total'];
  isTotal: boolean;
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'GROUP', cell: ({ group }) => group.path || '/', isText: true, most: MOST_NAME },
  { title: 'MEMBER', cell: ({ member }) => member, isText: true, most: MOST_NAME },
  { title: 'READ', cell: ({ figures }) => formatSize(figures.rbytes) },
  { title: 'WRITTEN', cell: ({ figures }) => formatSize(figures.wbytes) },
  { title: 'READS', cell: ({ figures }) => formatCount(figures.rios) },
  { title: 'WRITES', cell: ({ figures }) => formatCount(figures.wios) },
  { title: 'DISCARDED', cell: ({ figures }) => formatSize(figures.dbytes) },
  { title: 'WAITED', cell: ({ figures }) => `${(figures.waitNs / 1e9).toFixed(3)} s` },
  { title: 'QUEUED', cell: ({ figures }) => figures.queued },
  { title: 'IN FLIGHT', cell: ({ figures }) => figures.inflight },
  { title: 'WEIGHT', cell: ({ group, isTotal }) => (isTotal ? group.settings.weight : '') },
  {
    title: 'PRESSURE',
    cell: ({ group, isTotal }) => (isTotal ? `${group.pressure.some.avg10.toFixed(2)} %` : ''),
  },
];

/** The settings of a group in the words of `sluice set`; empty without any. Weights are in the table. */
function settingsOf({ settings, mount }: GroupSnapshot): string {
  const { weight: _, ...below } = settings;
  return formatWords({ ...below, ...mount }).join(' ');
}

function rowsOf(group: GroupSnapshot): Row[] {
  const members = group.members.map(({ name, figures }) => {
    return { group, member: name, figures, isTotal: false };
  });
  return [...members, { group, member: '(total)', figures: group.total, isTotal: true }];
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
    .map((group) => ({ name: group.path || '/', text: settingsOf(group) }))
    .filter(({ text }) => text !== '')
    .map(({ name, text }) => `${name}: ${text}\n`);
  const below = settings.length === 0 ? '' : `\nLimits and targets:\n${settings.join('')}`;
  const passed = images.filter(({ passthrough }) => passthrough).map(({ name }) => oneLine(name));
  const beside = `\nPassed through, neither counted nor limited: ${passed.join(', ')}\n`;
  return formatTable(COLUMNS, groups.flatMap(rowsOf)) + below + (passed.length > 0 ? beside : '');
}
