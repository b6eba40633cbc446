import type { GroupSnapshot, ImageSnapshot } from '../control/control.js';
import { NO_FAULTS } from '../control/faults.js';
import { membersOf } from '../control/json.js';
import { formatWords } from '../control/text.js';
import { meanOf, p99Of, requestsOf } from '../control/usage.js';
import { NS_PER_US } from '../control/values.js';
import { oneLine } from '../util/one-line.js';
import { formatCount, formatSize, formatTime } from '../util/units.js';
import { type Column, formatTable } from './table.js';

/** A name may have 255 characters, and a path more: one of them does not push the figures off the screen. */
const MOST_NAME = 24;

type Figures = GroupSnapshot['total'];

/** A member of a group, or the total of the group. */
interface Row {
  group: GroupSnapshot;
  member: string;
  figures: Figures;
  times: GroupSnapshot['times']['total'];
  isTotal: boolean;
}

const timeOrDash = (us: number | null): string => (us === null ? '-' : formatTime(us));

const rate = (bytes: number | undefined): string => `${formatSize(bytes ?? 0)}/s`;

const NAMES: readonly Column<Row>[] = [
  { title: 'GROUP', cell: ({ group }) => group.path || '/', isText: true, most: MOST_NAME },
  { title: 'MEMBER', cell: ({ member }) => member, isText: true, most: MOST_NAME },
];

const NOW: readonly Column<Row>[] = [
  ...NAMES,
  { title: 'READING', cell: ({ times }) => rate(times.read?.second.bytes) },
  { title: 'WRITING', cell: ({ times }) => rate(times.write?.second.bytes) },
  { title: 'REQUESTS', cell: ({ times }) => `${formatCount(requestsOf(times))}/s` },
  { title: 'WAIT', cell: ({ times }) => timeOrDash(meanOf(times, 'wait')) },
  { title: 'WAIT P99', cell: ({ times }) => timeOrDash(p99Of(times, 'wait')) },
  { title: 'SERVICE', cell: ({ times }) => timeOrDash(meanOf(times, 'service')) },
  { title: 'SERVICE P99', cell: ({ times }) => timeOrDash(p99Of(times, 'service')) },
  { title: 'QUEUED', cell: ({ figures }) => figures.queued },
  { title: 'IN FLIGHT', cell: ({ figures }) => figures.inflight },
];

const admitted = ({ rios, wios, dios }: Figures): number => rios + wios + dios;

const SINCE_MOUNT: readonly Column<Row>[] = [
  ...NAMES,
  { title: 'READ', cell: ({ figures }) => formatSize(figures.rbytes) },
  { title: 'WRITTEN', cell: ({ figures }) => formatSize(figures.wbytes) },
  { title: 'DISCARDED', cell: ({ figures }) => formatSize(figures.dbytes) },
  { title: 'REQUESTS', cell: ({ figures }) => formatCount(admitted(figures)) },
  { title: 'HELD BACK', cell: ({ figures }) => shareOf(figures.waits, admitted(figures)) },
  { title: 'MEAN WAIT', cell: ({ figures }) => meanWait(figures) },
  { title: 'WEIGHT', cell: ({ group, isTotal }) => (isTotal ? group.settings.weight : '') },
  {
    title: 'PRESSURE',
    cell: ({ group, isTotal }) => (isTotal ? `${group.pressure.some.avg10.toFixed(2)} %` : ''),
  },
];

function shareOf(part: number, all: number): string {
  return all === 0 ? '-' : `${((100 * part) / all).toFixed(1)} %`;
}

function meanWait(figures: Figures): string {
  const requests = admitted(figures);
  return requests === 0 ? '-' : formatTime(figures.waitNs / NS_PER_US / requests);
}

/** The settings of a group in the words of `sluice set`; empty without any. Weights are in the table. */
function settingsOf({ settings, sized, mount }: GroupSnapshot): string {
  const { weight: _, ...below } = settings;
  const words = formatWords({ ...below, ...mount })
    .map(shortWord)
    .join(' ');
  return sized === undefined ? words : `${words} (${sizedText(sized)})`;
}

/** What limits that grow have come to: `10G of images: iops=500`. */
function sizedText({ bytes, limits }: NonNullable<GroupSnapshot['sized']>): string {
  const words = Object.entries(limits).map(([key, rate]) => {
    return shortWord(`${key}=${rate === Infinity ? 'max' : rate}`);
  });
  return `${shortSize(bytes)} of images: ${words.join(' ')}`;
}

/** The bytes a second of a limit, a limit for each GiB, a burst or a minimum. */
const BYTE_RATE = /^((?:burst\.|min\.|per_gb\.)?[rw]?bps=)([0-9]+)/;

/** A word of `sluice set` with bytes as `shortSize` has them. */
function shortWord(word: string): string {
  const [rate = '', minimum] = word.startsWith('per_gb.') ? word.split('/') : [word];
  const shorten = (text: string): string =>
    text.replace(BYTE_RATE, (_match, key, amount) => key + shortSize(Number(amount)));
  if (minimum === undefined) return shorten(rate);
  const isBytes = BYTE_RATE.test(rate);
  return `${shorten(rate)}/${isBytes ? shortSize(Number(minimum)) : minimum}`;
}

/** As `sluice set` takes it, exactly, by the largest unit that fits: `10M`. */
function shortSize(bytes: number): string {
  const power = [3, 2, 1].find((one) => bytes % 1024 ** one === 0) ?? 0;
  return `${bytes / 1024 ** power}${['', 'K', 'M', 'G'][power]}`;
}

function rowsOf(group: GroupSnapshot): Row[] {
  const members = membersOf(group).map(({ name, figures, times }) => {
    return { group, member: name, figures, times, isTotal: false };
  });
  const { total: figures, times } = group;
  return [...members, { group, member: '(total)', figures, times: times.total, isTotal: true }];
}

/** `web: /var/cache/web: 1.5 GiB kept, 12 GiB read from it, 2 GiB from the server`. */
function cacheLines(images: readonly ImageSnapshot[]): string {
  const lines = images.flatMap(({ name, cache }) => {
    if (cache === undefined) return [];
    const [kept, near, far] = [cache.kept, cache.fromCache, cache.fromServer].map(formatSize);
    const what = `${kept} kept, ${near} read from it, ${far} from the server`;
    const full = cache.isGrowing ? '' : '; it takes no more';
    return [`${oneLine(name)}: ${oneLine(cache.path)}: ${what}${full}\n`];
  });
  return lines.length === 0 ? '' : `\nCaches of exports:\n${lines.join('')}`;
}

/** In capitals: a user who forgets these faults would look for the cause in the disk. */
export function faultLines(images: readonly ImageSnapshot[]): string {
  const faulty = images.flatMap(({ name, faults }) => (faults ? [{ name, faults }] : []));
  if (faulty.length === 0) return '';
  return `\nFAULTS ON PURPOSE:\n${faulty.map(formatFaulty).join('')}`;
}

/** `web: read.error=1%,seed=7; 3 requests failed, 0 delayed`. */
export function formatFaulty({
  name,
  faults,
}: {
  name: string;
  faults: ImageSnapshot['faults'];
}): string {
  if (!faults) return `${oneLine(name)}: ${NO_FAULTS}\n`;
  const { words, failed, delayed } = faults;
  return `${oneLine(name)}: ${words}; ${failed} requests failed, ${delayed} delayed\n`;
}

/** The table of what completed in the last second. */
export function formatNow(groups: readonly GroupSnapshot[]): string {
  return formatTable(NOW, groups.flatMap(rowsOf));
}

/**
 * The tables of `sluice stat`, and below them the settings of each group that has any, and the images that
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
  const tables = [
    `In the last second:\n${formatNow(groups)}`,
    `Since the mount:\n${formatTable(SINCE_MOUNT, groups.flatMap(rowsOf))}`,
  ];
  return (
    tables.join('\n') +
    below +
    (passed.length > 0 ? beside : '') +
    cacheLines(images) +
    faultLines(images)
  );
}
