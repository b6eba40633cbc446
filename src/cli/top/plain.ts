import { completedIn, limitUses, meanOf, p99Of, requestsOf } from '../../control/usage.js';
import { sharedJson } from '../../lease/figures.js';
import { oneLine } from '../../util/one-line.js';
import { formatCount, formatSize, formatTime } from '../../util/units.js';
import { faultLines } from '../stat-report.js';
import { type Column, formatTable } from '../table.js';
import { percent } from './columns.js';
import { type Row, rowsOf, type Sight } from './rows.js';
import type { State } from './state.js';

// The live view as plain text and as JSON: for pipes, logs, screen readers and programs.

/** A name may be longer: it moves its own row only. */
const NAME_CELLS = 24;

interface Told {
  readonly row: Row;
  readonly sight: Sight;
}

const timeOrDash = (us: number | null): string => (us === null ? '-' : formatTime(us));

function limitText({ group, member }: Row): string {
  const use = member === null ? limitUses(group)[0] : undefined;
  return use === undefined ? '-' : `${percent(use.rate / use.limit)} %`;
}

function shareText({ row, sight }: Told): string {
  const share = row.member === null ? sight.shares.get(row.group.path) : undefined;
  return share === undefined ? '-' : `${percent(share.got)} % (${percent(share.asked)} %)`;
}

const COLUMNS: readonly Column<Told>[] = [
  {
    title: 'GROUP',
    cell: ({ row }) => oneLine(row.group.path || '/'),
    isText: true,
    most: NAME_CELLS,
  },
  { title: 'MEMBER', cell: ({ row }) => oneLine(row.member ?? ''), isText: true, most: NAME_CELLS },
  { title: 'REQ/S', cell: ({ row }) => formatCount(requestsOf(row.times)) },
  { title: 'READ/S', cell: ({ row }) => formatSize(completedIn(row.times).read) },
  { title: 'WRITE/S', cell: ({ row }) => formatSize(completedIn(row.times).written) },
  { title: 'LIMIT USED', cell: ({ row }) => limitText(row) },
  { title: 'SHARE (DUE)', cell: shareText },
  { title: 'QUEUED', cell: ({ row }) => row.figures.queued },
  { title: 'WAIT', cell: ({ row }) => timeOrDash(meanOf(row.times, 'wait')) },
  { title: 'SERVICE P99', cell: ({ row }) => timeOrDash(p99Of(row.times, 'service')) },
  {
    title: 'PRESSURE',
    cell: ({ row }) =>
      row.member === null ? `${row.group.pressure.some.avg10.toFixed(1)} %` : '-',
  },
];

/** A table without bars, in which each figure stands for itself. */
export function plainTable(sight: Sight, state: State): string {
  const rows = rowsOf(sight, state).map((row) => ({ row, sight }));
  const faulty = faultLines(sight.images);
  return `${sight.mountpoint} at ${sight.clock}\n${formatTable(COLUMNS, rows)}${faulty}`;
}

function rowJson({ sight }: { sight: Sight }, row: Row): object {
  const { reads, writes, read, written } = completedIn(row.times);
  const { queued, inflight } = row.figures;
  const done = { reads, writes, readBytes: read, writtenBytes: written, queued, inflight };
  const stage = (key: 'wait' | 'service') => ({
    mean: meanOf(row.times, key),
    p99: p99Of(row.times, key),
  });
  const times = { waitUsec: stage('wait'), serviceUsec: stage('service') };
  const group = { group: row.group.path || '/', member: row.member };
  if (row.member !== null) return { ...group, ...done, ...times };
  return {
    ...group,
    ...done,
    ...times,
    weight: row.group.settings.weight,
    limits: limitUses(row.group),
    share: sight.shares.get(row.group.path) ?? null,
    pressure: row.group.pressure.some.avg10,
    burstsLeft: row.group.burstsLeft ?? {},
    ...(row.group.shared === undefined ? {} : { shared: sharedJson(row.group.shared) }),
  };
}

/** The same as an object; the manual describes it. @param time ISO 8601 in UTC */
export function topJson(sight: Sight, state: State, time: string): object {
  const { mountpoint } = sight;
  return { time, mountpoint, rows: rowsOf(sight, state).map((row) => rowJson({ sight }, row)) };
}
