import type { ImageSnapshot } from '../../control/control.js';
import { completedIn, requestsOf } from '../../control/usage.js';
import { NS_PER_US } from '../../control/values.js';
import { oneLine } from '../../util/one-line.js';
import { formatCount, formatSize, formatTime } from '../../util/units.js';
import { describePath } from '../list-report.js';
import type { CallerRow } from './callers.js';
import { type Drawing, percent } from './columns.js';
import { type Row, rowsOf, type Sight } from './rows.js';
import { clipStart, fit, type Line, span, widthOf } from './spans.js';
import { FIRST_STATE, type State } from './state.js';

// Views beside the groups: who makes the requests, and the images.

interface Column<T> {
  readonly title: string;
  /** Cells; of a text the most, and as many as its longest row has. Figures keep theirs while they change. */
  readonly width: number;
  readonly side: 'left' | 'right';
  readonly cell: (row: T) => string;
  /** Cells of the screen from which on it is shown; 0 without. */
  readonly from?: number;
  /** Where there is no room for all of it, its end is shown. */
  readonly keepsEnd?: true;
}

function widthFor<T>({ title, width, side, cell }: Column<T>, rows: readonly T[]): number {
  if (side === 'right') return width;
  const longest = rows.reduce((most, row) => Math.max(most, widthOf(cell(row))), title.length);
  return Math.min(width, longest);
}

/** A table with as many rows as fit; the last column has the cells that are left. */
function listLines<T>(
  columns: readonly Column<T>[],
  rows: readonly T[],
  cells: number,
  lines: number,
  { glyphs, state }: Drawing,
): Line[] {
  const shown = columns
    .filter(({ from = 0 }) => cells >= from)
    .map((column) => ({ ...column, width: widthFor(column, rows) }));
  const taken = shown.slice(0, -1).reduce((sum, { width }) => sum + width + 2, 0);
  const line = (textOf: (column: Column<T>) => string): string =>
    shown
      .map((column, index) => {
        const width = index === shown.length - 1 ? Math.max(1, cells - taken) : column.width;
        const text = textOf(column);
        const part = column.keepsEnd === true ? clipStart(text, width, glyphs) : text;
        return fit(part, width, glyphs, column.side);
      })
      .join('  ');
  const room = Math.max(0, lines - 1);
  const from = rows.slice(Math.min(state.scrolled, Math.max(0, rows.length - 1)));
  const fitting = from.length > room ? from.slice(0, Math.max(0, room - 1)) : from;
  const more = from.length - fitting.length;
  return [
    [
      span(
        line(({ title }) => title),
        'bold',
      ),
    ],
    ...fitting.map((row): Line => [span(line(({ cell }) => cell(row)))]),
    ...(more > 0 ? [[span(`and ${more} more`, 'dim')]] : []),
  ];
}

const timeOrDash = (ns: number | null): string => (ns === null ? '-' : formatTime(ns / NS_PER_US));

const CALLERS: readonly Column<CallerRow>[] = [
  {
    title: 'PID',
    width: 7,
    side: 'right',
    cell: ({ caller: { pid } }) => (pid === 0 ? '-' : `${pid}`),
  },
  { title: 'UID', width: 6, side: 'right', from: 100, cell: ({ caller }) => uidOf(caller) },
  { title: 'LATELY', width: 6, side: 'right', cell: ({ caller }) => `${percent(caller.recent)}%` },
  {
    title: 'REQ/S',
    width: 6,
    side: 'right',
    cell: ({ requests }) => formatCount(Math.round(requests)),
  },
  { title: 'READ/S', width: 9, side: 'right', cell: ({ read }) => formatSize(read) },
  { title: 'WRITE/S', width: 9, side: 'right', cell: ({ written }) => formatSize(written) },
  { title: 'WAIT', width: 8, side: 'right', cell: ({ waitNs }) => timeOrDash(waitNs) },
  {
    ...{ title: 'SERVICE', width: 8, side: 'right', from: 100 },
    cell: ({ serviceNs }) => timeOrDash(serviceNs),
  },
  { title: 'CGROUP', width: 32, side: 'left', from: 130, cell: ({ caller }) => caller.cgroup },
  { title: 'COMMAND', width: 0, side: 'left', cell: ({ caller }) => withoutFolder(caller.command) },
];

const uidOf = ({ pid, uid }: CallerRow['caller']): string => (pid === 0 ? '-' : String(uid));

/** A command line without the folder of its program: what tells processes apart comes after it. */
const withoutFolder = (command: string): string => command.replace(/^\/(?:[^ /]*\/)+(?=[^ /])/, '');

/** What the least obvious column is. */
const HINT = 'LATELY: part of the work of the last half minute';

/** The processes that make requests, who does most of late first. */
export function callerLines(drawing: Drawing, cells: number, lines: number): Line[] {
  const { sight, state } = drawing;
  const { callers } = sight;
  if (callers === null) return [[span('callers come with the next look', 'dim')]];
  if (typeof callers === 'string') return [[span(oneLine(callers), 'bad')]];
  if (callers.length === 0) return [[span('no process has made a request', 'dim')]];
  const rows = callersWith(callers, state.filter);
  const table = listLines(CALLERS, rows, cells, Math.max(0, lines - 2), drawing);
  return [...table, [], [span(HINT, 'dim')]];
}

/** An image with the member that it is; partitions of it are members of their own. */
interface ImageRow {
  readonly image: ImageSnapshot;
  readonly member: Row | null;
}

function accessOf({ readOnly, passthrough }: ImageSnapshot): string {
  if (passthrough) return 'passed on';
  return readOnly ? 'read-only' : 'writable';
}

const ofMember =
  (tell: (member: Row) => string) =>
  ({ member }: ImageRow): string =>
    member === null ? '-' : tell(member);

const IMAGES: readonly Column<ImageRow>[] = [
  { title: 'IMAGE', width: 16, side: 'left', cell: ({ image }) => oneLine(image.name) },
  {
    ...{ title: 'GROUP', width: 12, side: 'left' },
    cell: ofMember(({ group }) => oneLine(group.path || '/')),
  },
  {
    ...{ title: 'REQ/S', width: 6, side: 'right' },
    cell: ofMember(({ times }) => formatCount(requestsOf(times))),
  },
  {
    ...{ title: 'READ/S', width: 9, side: 'right', from: 100 },
    cell: ofMember(({ times }) => formatSize(completedIn(times).read)),
  },
  {
    ...{ title: 'WRITE/S', width: 9, side: 'right', from: 100 },
    cell: ofMember(({ times }) => formatSize(completedIn(times).written)),
  },
  { title: 'FORMAT', width: 7, side: 'left', cell: ({ image }) => image.format },
  { title: 'SIZE', width: 8, side: 'right', cell: ({ image }) => formatSize(image.size) },
  { title: 'ACCESS', width: 9, side: 'left', cell: ({ image }) => accessOf(image) },
  {
    title: 'FILE',
    width: 0,
    side: 'left',
    cell: ({ image }) => describePath(image),
    keepsEnd: true,
  },
];

function memberRows(sight: Sight): Map<string, Row> {
  const rows = rowsOf(sight, FIRST_STATE).filter(({ member }) => member !== null);
  return new Map(rows.map((row) => [row.name, row]));
}

export function imageLines(drawing: Drawing, cells: number, lines: number): Line[] {
  const { sight, state } = drawing;
  const members = memberRows(sight);
  const rows = imagesWith(sight.images, state.filter).map((image) => ({
    image,
    member: members.get(image.name) ?? null,
  }));
  return listLines(IMAGES, rows, cells, lines, drawing);
}

const contains = (text: string, part: string): boolean =>
  text.toLowerCase().includes(part.toLowerCase());

const callersWith = (callers: readonly CallerRow[], text: string): readonly CallerRow[] =>
  callers.filter(({ caller }) => contains(caller.command, text));

const imagesWith = (images: readonly ImageSnapshot[], text: string): readonly ImageSnapshot[] =>
  images.filter(({ name }) => contains(name, text));

/** Rows of the list that is shown, with those for which the screen has no room; 0 where none is. */
export function listLength(
  { callers, images }: Sight,
  { view, filter }: Pick<State, 'view' | 'filter'>,
): number {
  if (view === 'images') return imagesWith(images, filter).length;
  if (view !== 'callers' || callers === null || typeof callers === 'string') return 0;
  return callersWith(callers, filter).length;
}
