import { completedIn } from '../../control/usage.js';
import { oneLine } from '../../util/one-line.js';
import { formatCount, formatSize } from '../../util/units.js';
import { columnsFor, type Drawing, rowLine, titleLine } from './columns.js';
import { detailLines } from './detail.js';
import { BINDINGS, chosenRow } from './keys.js';
import { callerLines, imageLines } from './lists.js';
import { type Row, rowsOf, type Sight } from './rows.js';
import { clipLine, type Glyphs, type Line, lineWidth, span, wrap } from './spans.js';
import type { Prompt, State } from './state.js';

/** The size of the screen, cells. */
export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** With fewer lines there is no room for the details of the chosen row. */
const LEAST_FOR_DETAILS = 17;

/** The lines of the screen: as many as it has, none wider than it is. */
export function linesOf(sight: Sight, state: State, size: Size, glyphs: Glyphs): Line[] {
  const drawing: Drawing = { sight, state, glyphs };
  const body = Math.max(0, size.rows - 4);
  const lines = [
    headLine(sight, state, size.columns),
    totalLine(sight, size.columns),
    ...filled(bodyOf(drawing, size, body), body),
    ...lastLines(state, size.columns),
  ];
  return lines.slice(0, size.rows).map((line) => clipLine(line, size.columns, glyphs));
}

function filled(lines: readonly Line[], count: number): Line[] {
  return Array.from({ length: count }, (_, index) => lines[index] ?? []);
}

function bodyOf(drawing: Drawing, size: Size, lines: number): Line[] {
  const { view } = drawing.state;
  if (view === 'help') return helpLines(lines, size.columns);
  if (view === 'callers') return callerLines(drawing, size.columns, lines);
  if (view === 'images') return imageLines(drawing, size.columns, lines);
  return groupLines(drawing, size, lines);
}

function headLine({ mountpoint, transport, clock }: Sight, state: State, columns: number): Line {
  const left = [
    span('sluice top', 'bold'),
    span(`  ${oneLine(mountpoint)}  `),
    span(transport, 'dim'),
  ];
  if (state.isPaused) left.push(span('  paused', 'warn'));
  if (state.order !== 'tree') left.push(span(`  by ${state.order}`, 'dim'));
  if (state.filter !== '') left.push(span(`  only "${oneLine(state.filter)}"`, 'warn'));
  const room = columns - lineWidth(left) - clock.length;
  if (room < 1) return left;
  return [...left, span(' '.repeat(room)), span(clock, 'dim')];
}

/** What the whole mount does; facts that do not fit are left out. */
function totalLine({ groups, images }: Sight, columns: number): Line {
  const root = groups[0];
  if (root === undefined) return [];
  const { read, written, reads, writes } = completedIn(root.times.total);
  const window = root.mount === undefined ? '' : ` of ${root.mount.window}`;
  const facts: readonly (readonly [value: string, word: string])[] = [
    [formatCount(reads + writes), 'requests/s'],
    [`${formatSize(read)}/s`, 'read'],
    [`${formatSize(written)}/s`, 'written'],
    [formatCount(root.total.queued), 'queued'],
    [`${root.total.inflight}${window}`, 'in flight'],
    [String(images.length), images.length === 1 ? 'image' : 'images'],
  ];
  const faulty = images.filter(({ faults }) => faults).map(({ name }) => oneLine(name));
  let line: Line = faulty.length === 0 ? [] : [span(`FAULTS: ${faulty.join(', ')}`, 'warn')];
  if (lineWidth(line) > columns) line = [span('FAULTS', 'warn')];
  for (const [value, word] of facts) {
    const more = [
      ...line,
      span(line.length > 0 ? '  ' : ''),
      span(value, 'bold'),
      span(` ${word}`),
    ];
    if (lineWidth(more) <= columns) line = more;
  }
  return line;
}

function groupLines(
  drawing: Drawing,
  { columns: cells, rows: height }: Size,
  lines: number,
): Line[] {
  const { sight, state, glyphs } = drawing;
  const columns = columnsFor(cells);
  const nameWidth = cells - columns.reduce((sum, { width }) => sum + width + 1, 0);
  const rows = rowsOf(sight, state);
  const chosen = chosenRow(state, rows);
  const details =
    chosen === null || height < LEAST_FOR_DETAILS ? [] : detailLines(chosen, cells, drawing);
  const room = lines - 1 - details.length;
  const shown = around(rows, chosen, room);
  const table = shown.map((row) => rowLine(row, row === chosen, columns, nameWidth, drawing));
  return [titleLine(columns, nameWidth, glyphs), ...filled(table, room), ...details];
}

/** The part of the rows that fits, with the chosen one in its middle where there are rows on both sides. */
function around(rows: readonly Row[], chosen: Row | null, room: number): readonly Row[] {
  const at = chosen === null ? 0 : rows.indexOf(chosen);
  const first = Math.max(0, Math.min(rows.length - room, at - Math.floor(room / 2)));
  return rows.slice(first, first + Math.max(0, room));
}

/** Two columns where one does not fit. */
function helpLines(lines: number, columns: number): Line[] {
  const told = BINDINGS.filter(({ help }) => help !== '');
  const all = told.map(({ shown, help }): Line => [span(shown.padEnd(15), 'bold'), span(help)]);
  if (all.length <= lines || columns < 100) return all;
  const half = Math.ceil(all.length / 2);
  return Array.from({ length: half }, (_, index) => {
    const left = all[index]!;
    const room = Math.max(1, Math.floor(columns / 2) - lineWidth(left));
    return [...left, span(' '.repeat(room)), ...(all[half + index] ?? [])];
  });
}

/** The two lines at the bottom: what is typed or was said, and the keys. A long message takes both. */
function lastLines(state: State, columns: number): [Line, Line] {
  const { prompt, message } = state;
  const said = message === null ? [] : wrap(oneLine(message.text), columns);
  const style = message?.isError ? 'bad' : 'good';
  const spans = said.map((text): Line => [span(text, style)]);
  if (prompt !== null) return [promptLine(prompt), spans[0] ?? footLine(state, columns)];
  const [first = [], second = footLine(state, columns)] = spans;
  // What does not fit on two lines ends with the sign of more.
  const rest = said.slice(1).join(' ');
  return [first, said.length > 2 ? [span(rest, style)] : second];
}

function promptLine(prompt: Prompt): Line {
  if (prompt.kind === 'filter')
    return [span('only names with: '), span(prompt.text, 'bold'), span('_')];
  const now = prompt.now === '' ? 'nothing set' : `now ${prompt.now}`;
  const what = span(`${prompt.path || '/'} (${now}): ${prompt.before}`);
  return [what, span(prompt.text, 'bold'), span('_')];
}

type Keys = readonly (readonly [key: string, what: string])[];

function keysOf({ prompt, view }: State): Keys {
  if (prompt !== null) {
    const isFilter = prompt.kind === 'filter';
    const keys: Keys = [
      ['Enter', isFilter ? 'keep' : 'set'],
      ['Esc', 'leave'],
      ['Ctrl-U', 'empty'],
    ];
    // What is not typed stays as it is: limits, too.
    return isFilter || prompt.before !== '' ? keys : [...keys, ['iops=max', 'takes a limit away']];
  }
  if (view !== 'groups') {
    const list: Keys = [
      ['up down', 'scroll'],
      ['/', 'filter'],
    ];
    const lists: Keys = [
      ['c', 'callers'],
      ['i', 'images'],
    ];
    if (view === 'help') return [['q', 'groups'], ...lists];
    return [['Esc', 'groups'], ...list, ...lists, ['?', 'help'], ['q', 'quit']];
  }
  return [
    ['?', 'help'],
    ['q', 'quit'],
    ['c', 'callers'],
    ['w + -', 'weight'],
    ['l', 'limits'],
    ['u', 'undo'],
    ['s', 'sort'],
    ['/', 'filter'],
    ['i', 'images'],
  ];
}

/** The keys of most use; those that do not fit are left out. */
function footLine(state: State, columns: number): Line {
  let line: Line = [];
  for (const [key, what] of keysOf(state)) {
    const gap = line.length > 0 ? '  ' : '';
    const more = [...line, span(gap + key, 'bold'), span(` ${what}`, 'dim')];
    if (lineWidth(more) <= columns) line = more;
  }
  return line;
}
