import { completedIn } from '../../control/usage.js';
import { oneLine } from '../../util/one-line.js';
import { formatCount, formatSize } from '../../util/units.js';
import { columnsFor, type Drawing, rowLine, titleLine } from './columns.js';
import { detailLines } from './detail.js';
import { BINDINGS, chosenRow } from './keys.js';
import { type Row, rowsOf, type Sight } from './rows.js';
import { clipLine, fit, type Glyphs, type Line, lineWidth, span } from './spans.js';
import type { State } from './state.js';

/** The size of the screen, cells. */
export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** With fewer lines there is no room for the details of the chosen row. */
const LEAST_FOR_DETAILS = 16;

/** The lines of the screen: as many as it has, none wider than it is. */
export function linesOf(sight: Sight, state: State, size: Size, glyphs: Glyphs): Line[] {
  const drawing: Drawing = { sight, state, glyphs };
  const body = Math.max(0, size.rows - 4);
  const lines = [
    headLine(sight, state, size.columns),
    totalLine(sight, size.columns),
    ...filled(bodyOf(drawing, size, body), body),
    messageLine(state),
    footLine(state),
  ];
  return lines.slice(0, size.rows).map((line) => clipLine(line, size.columns, glyphs));
}

function filled(lines: readonly Line[], count: number): Line[] {
  return Array.from({ length: count }, (_, index) => lines[index] ?? []);
}

function bodyOf(drawing: Drawing, size: Size, lines: number): Line[] {
  const { view } = drawing.state;
  if (view === 'help') return helpLines(lines, size.columns);
  return view === 'images' ? imageLines(drawing, size) : groupLines(drawing, size, lines);
}

function headLine({ mountpoint, transport, clock }: Sight, state: State, columns: number): Line {
  const left = [
    span('sluice top', 'bold'),
    span(`  ${oneLine(mountpoint)}  `),
    span(transport, 'dim'),
  ];
  if (state.isPaused) left.push(span('  paused', 'warn'));
  if (state.filter !== '') left.push(span(`  only "${oneLine(state.filter)}"`, 'warn'));
  const room = columns - lineWidth(left) - clock.length;
  return [...left, span(' '.repeat(Math.max(1, room))), span(clock, 'dim')];
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
  let line: Line = [];
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

const IMAGE_WIDTHS = { name: 20, format: 9, size: 10, access: 9 } as const;

function imageLines({ sight, glyphs }: Drawing, size: Size): Line[] {
  const { name, format, size: bytes, access } = IMAGE_WIDTHS;
  const cells = (words: readonly string[]): string =>
    [
      fit(words[0]!, name, glyphs, 'left'),
      fit(words[1]!, format, glyphs, 'left'),
      fit(words[2]!, bytes, glyphs, 'right'),
      fit(words[3]!, access, glyphs, 'left'),
      words[4]!,
    ].join('  ');
  const title = cells(['IMAGE', 'FORMAT', 'SIZE', 'ACCESS', 'FILE']);
  const lines = sight.images.map((image) => {
    const how = image.passthrough ? 'passed on' : image.readOnly ? 'read-only' : 'writable';
    const words = [
      oneLine(image.name),
      image.format,
      formatSize(image.size),
      how,
      oneLine(image.path),
    ];
    return [span(cells(words))];
  });
  const room = Math.max(0, size.rows - 6);
  const left = lines.length - room;
  const more = left > 0 ? [[span(`and ${left} more`, 'dim')]] : [];
  return [[span(title, 'bold')], ...lines.slice(0, room), ...more];
}

/** Two columns where one does not fit. */
function helpLines(lines: number, columns: number): Line[] {
  const all = BINDINGS.map(({ shown, help }): Line => [span(shown.padEnd(14), 'bold'), span(help)]);
  if (all.length <= lines || columns < 100) return all;
  const half = Math.ceil(all.length / 2);
  return Array.from({ length: half }, (_, index) => {
    const left = all[index]!;
    const room = Math.max(1, Math.floor(columns / 2) - lineWidth(left));
    return [...left, span(' '.repeat(room)), ...(all[half + index] ?? [])];
  });
}

function messageLine({ prompt, message }: State): Line {
  if (prompt?.kind === 'filter')
    return [span('only names with: '), span(prompt.text, 'bold'), span('_')];
  if (prompt !== null) {
    const now = prompt.now === '' ? 'nothing set' : `now ${prompt.now}`;
    const what = span(`${prompt.path || '/'} (${now}): ${prompt.before}`);
    return [what, span(prompt.text, 'bold'), span('_')];
  }
  return message === null ? [] : [span(oneLine(message.text), message.isError ? 'bad' : 'good')];
}

function footLine({ prompt }: State): Line {
  const keys: readonly (readonly [string, string])[] =
    prompt === null
      ? [
          ['?', 'help'],
          ['q', 'quit'],
          ['s', 'sort'],
          ['/', 'filter'],
          ['w + -', 'weight'],
          ['l', 'limits'],
          ['u', 'undo'],
          ['i', 'images'],
        ]
      : [
          ['Enter', prompt.kind === 'filter' ? 'keep' : 'set'],
          ['Esc', 'leave'],
          ['Ctrl-U', 'empty'],
        ];
  return keys.flatMap(([key, what]) => [span(key, 'bold'), span(` ${what}  `, 'dim')]);
}
