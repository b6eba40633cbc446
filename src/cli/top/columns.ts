import { completedIn, limitUses, meanOf, p99Of, requestsOf } from '../../control/usage.js';
import { oneLine } from '../../util/one-line.js';
import { formatCount, formatSize, formatTime } from '../../util/units.js';
import type { Row, Sight } from './rows.js';
import {
  bar,
  fit,
  type Glyphs,
  type Line,
  type Span,
  type Style,
  span,
  sparkline,
} from './spans.js';
import type { State } from './state.js';

/** What a cell is drawn with. */
export interface Drawing {
  readonly sight: Sight;
  readonly state: State;
  readonly glyphs: Glyphs;
}

export interface Column {
  readonly title: string;
  readonly width: number;
  readonly side: 'left' | 'right';
  readonly cell: (row: Row, width: number, drawing: Drawing) => Line;
}

const timeOrDash = (us: number | null): string => (us === null ? '-' : formatTime(us));

export const percent = (part: number): string => `${Math.round(part * 100)}`;

/** A column of one text. */
function text(
  title: string,
  width: number,
  tell: (row: Row) => string,
  style: (row: Row) => Style = () => 'plain',
): Column {
  return { title, width, side: 'right', cell: (row) => [span(tell(row), style(row))] };
}

const queued = ({ figures }: Row): Style => (figures.queued > 0 ? 'bold' : 'dim');
const moving = ({ times }: Row): Style => (requestsOf(times) > 0 ? 'plain' : 'dim');

/** From this pressure on, in percent, the figure of a group is marked. */
const HIGH_PRESSURE = 10;

const ofGroup = (row: Row, tell: (row: Row) => string): string =>
  row.member === null ? tell(row) : '';

const REQUESTS = text('REQ/S', 6, ({ times }) => formatCount(requestsOf(times)), moving);
const BYTES = text('BYTES/S', 10, ({ times }) => formatSize(bytesOf(times)), moving);
const READING = text('READ/S', 10, ({ times }) => formatSize(completedIn(times).read), moving);
const WRITING = text('WRITE/S', 10, ({ times }) => formatSize(completedIn(times).written), moving);
const QUEUED = text('QUEUED', 6, ({ figures }) => formatCount(figures.queued), queued);
const IN_FLIGHT = text('FLIGHT', 6, ({ figures }) => formatCount(figures.inflight));
const WAIT = text('WAIT', 8, ({ times }) => timeOrDash(meanOf(times, 'wait')));
const WAIT_P99 = text('WAIT P99', 8, ({ times }) => timeOrDash(p99Of(times, 'wait')));
const SERVICE = text('SERVICE', 8, ({ times }) => timeOrDash(meanOf(times, 'service')));
const SERVICE_P99 = text('SERV P99', 8, ({ times }) => timeOrDash(p99Of(times, 'service')));
const WEIGHT = text('WEIGHT', 6, (row) =>
  // The root has no siblings to share with.
  ofGroup(row, ({ group }) => (group.path === '' ? '' : `${group.settings.weight}`)),
);
const PRESSURE = text(
  'PRESS',
  5,
  (row) => ofGroup(row, ({ group }) => `${Math.round(group.pressure.some.avg10)}%`),
  (row) => (row.group.pressure.some.avg10 >= HIGH_PRESSURE ? 'warn' : 'dim'),
);

function bytesOf(times: Row['times']): number {
  const { read, written } = completedIn(times);
  return read + written;
}

/** The rate against the limit that is used most. */
function limitUse(width: number): Column {
  const cell: Column['cell'] = (row, cells, { glyphs }) => {
    const use = row.member === null ? limitUses(row.group)[0] : undefined;
    if (use === undefined) return [];
    const part = use.rate / use.limit;
    return [...bar(part, cells - 5, glyphs), span(`${percent(part)}%`.padStart(5))];
  };
  return { title: 'LIMIT USED', width, side: 'left', cell };
}

/** The share that a group got, with a mark where its weight puts it. */
function share(width: number): Column {
  const cell: Column['cell'] = (row, cells, { sight, glyphs }) => {
    const both = row.member === null ? sight.shares.get(row.group.path) : undefined;
    if (both === undefined) return [];
    const { got, asked } = both;
    return [
      ...bar(got, cells - 9, glyphs, asked),
      span(`${percent(got)}/${percent(asked)}%`.padStart(9)),
    ];
  };
  return { title: 'SHARE GOT/DUE', width, side: 'left', cell };
}

function minute(width: number): Column {
  const cell: Column['cell'] = (row, cells, { sight, glyphs }) => {
    const values = sight.minute.get(row.key) ?? [];
    return [span(sparkline(values, cells, Math.max(...values, 0), glyphs), 'good')];
  };
  return { title: `LAST ${width} S`, width, side: 'right', cell };
}

/** Sets of columns, each with the width of screen, in cells, that it needs. The widest that fits is taken. */
const LAYOUTS: readonly (readonly [cells: number, columns: readonly Column[]])[] = [
  [
    180,
    [
      REQUESTS,
      READING,
      WRITING,
      limitUse(21),
      WEIGHT,
      share(24),
      QUEUED,
      IN_FLIGHT,
      WAIT,
      WAIT_P99,
    ].concat([SERVICE, SERVICE_P99, PRESSURE, minute(30)]),
  ],
  [
    130,
    [REQUESTS, READING, WRITING, limitUse(14), WEIGHT, share(16), QUEUED, IN_FLIGHT, WAIT].concat([
      SERVICE_P99,
      PRESSURE,
    ]),
  ],
  [100, [REQUESTS, BYTES, limitUse(13), WEIGHT, share(15), QUEUED, WAIT, SERVICE, PRESSURE]],
  [76, [REQUESTS, BYTES, limitUse(11), share(13), QUEUED, WAIT, PRESSURE]],
  [50, [REQUESTS, BYTES, QUEUED, WAIT]],
  [0, [REQUESTS, QUEUED]],
];

export function columnsFor(cells: number): readonly Column[] {
  return LAYOUTS.find(([least]) => cells >= least)![1];
}

/** A line of cells with a space between, each in the width of its column. */
function layOut(
  name: Line,
  cells: readonly Line[],
  columns: readonly Column[],
  glyphs: Glyphs,
): Line {
  const rest = columns.flatMap(({ width, side }, index): Line => {
    const [first = span(''), ...others] = cells[index]!;
    if (others.length > 0) return [span(' '), first, ...others];
    return [span(' '), span(fit(first.text, width, glyphs, side), first.style)];
  });
  return [...name, ...rest];
}

export function titleLine(columns: readonly Column[], nameWidth: number, glyphs: Glyphs): Line {
  const cells = columns.map(({ title }): Line => [span(title, 'bold')]);
  return layOut([span(fit('  GROUP', nameWidth, glyphs, 'left'), 'bold')], cells, columns, glyphs);
}

export function rowLine(
  row: Row,
  isChosen: boolean,
  columns: readonly Column[],
  nameWidth: number,
  drawing: Drawing,
): Line {
  const { state, glyphs } = drawing;
  const fold = row.isParent ? (state.folded.has(row.key) ? glyphs.folded : glyphs.open) : ' ';
  const written = `${'  '.repeat(row.depth)}${fold} ${oneLine(row.name)}`;
  const style: Style = isChosen ? 'chosen' : row.member === null ? 'bold' : 'plain';
  const name: Span[] = [
    span(isChosen ? '>' : ' ', style),
    span(fit(written, nameWidth - 1, glyphs, 'left'), style),
  ];
  const cells = columns.map(({ cell, width }) => cell(row, width, drawing));
  return layOut(name, cells, columns, glyphs);
}
