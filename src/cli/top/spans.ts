import stringWidth from 'string-width';

/** How a part of a line looks. `styles.ts` turns each style into the sequences of a terminal. */
export type Style = 'plain' | 'dim' | 'bold' | 'good' | 'warn' | 'bad' | 'chosen';

export interface Span {
  readonly text: string;
  readonly style: Style;
}

/** A line of the screen. */
export type Line = readonly Span[];

export const span = (text: string, style: Style = 'plain'): Span => ({ text, style });

/** The characters that drawings are made of. */
export interface Glyphs {
  /** From the least part of a cell to a full one. */
  readonly blocks: string;
  /** From low to high. */
  readonly levels: string;
  /** The empty part of a bar, and the mark on it of what was asked for. */
  readonly empty: string;
  readonly mark: string;
  readonly rule: string;
  /** Stands for the end of a text that is too long. */
  readonly more: string;
  readonly open: string;
  readonly folded: string;
}

export const UNICODE: Glyphs = {
  blocks: '▏▎▍▌▋▊▉█',
  levels: '▁▂▃▄▅▆▇█',
  empty: '·',
  mark: '│',
  rule: '─',
  more: '…',
  open: '▾',
  folded: '▸',
};

/** For terminals that have no UTF-8. */
export const ASCII: Glyphs = {
  blocks: '#',
  levels: '.:-=+*%#',
  empty: '.',
  mark: '|',
  rule: '-',
  more: '~',
  open: '-',
  folded: '+',
};

/** Characters of one cell each: ASCII, and those of the drawings. To find out the cells of others takes long. */
const PLAIN = /^[\x20-\x7e\u00b7\u2026\u2500-\u259f\u25b8\u25be]*$/;

/** Cells that a text takes. */
export const widthOf = (text: string): number =>
  PLAIN.test(text) ? text.length : stringWidth(text);

export const lineWidth = (line: Line): number =>
  line.reduce((sum, { text }) => sum + widthOf(text), 0);

/** The beginning of a text, in at most `width` cells. */
function clip(text: string, width: number, { more }: Glyphs): string {
  if (widthOf(text) <= width) return text;
  if (width <= 0) return '';
  let kept = '';
  for (const character of text) {
    if (widthOf(kept + character) > width - 1) break;
    kept += character;
  }
  return kept + more;
}

/** The end of a text, in at most `width` cells: of a path it tells more than the beginning. */
export function clipStart(text: string, width: number, { more }: Glyphs): string {
  if (widthOf(text) <= width) return text;
  if (width <= 0) return '';
  let kept = '';
  for (const character of [...text].reverse()) {
    if (widthOf(character + kept) > width - 1) break;
    kept = character + kept;
  }
  return more + kept;
}

/** A text in as many lines as it takes, each of at most `width` cells, parted at spaces where it has them. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1)!;
    const longer = last === '' ? word : `${last} ${word}`;
    if (last === '' || widthOf(longer) <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

/** A text in exactly `width` cells. */
export function fit(text: string, width: number, glyphs: Glyphs, side: 'left' | 'right'): string {
  const kept = clip(text, width, glyphs);
  const room = ' '.repeat(Math.max(0, width - widthOf(kept)));
  return side === 'left' ? kept + room : room + kept;
}

/** A line in at most `width` cells. */
export function clipLine(line: Line, width: number, glyphs: Glyphs): Line {
  let left = width;
  const kept: Span[] = [];
  for (const { text, style } of line) {
    const part = clip(text, left, glyphs);
    left -= widthOf(part);
    if (part !== '') kept.push({ text: part, style });
  }
  return kept;
}

/** A group that uses this part of its limit or more counts as held back. */
const NEARLY_ALL = 0.97;

/**
 * A bar of `width` cells.
 *
 * @param part The full part, 0 to 1; a larger one fills the bar.
 * @param asked Where a mark stands; null: none.
 */
export function bar(
  part: number,
  width: number,
  glyphs: Glyphs,
  asked: number | null = null,
): Line {
  const { blocks, empty, mark } = glyphs;
  const full = Math.min(1, Math.max(0, part)) * width;
  const steps = blocks.length;
  const whole = Math.floor(full);
  const rest = Math.round((full - whole) * steps);
  const filled = blocks.at(-1)!.repeat(whole) + (rest === 0 ? '' : blocks[rest - 1]!);
  const cells = [...filled.padEnd(width, empty)];
  const length = [...filled].length;
  const style = asked === null && part >= NEARLY_ALL ? 'warn' : 'good';
  const at = asked === null ? -1 : Math.min(width - 1, Math.round(asked * width));
  const spans = cells.map((cell, index) => {
    if (index === at && index >= whole) return span(mark, 'bold');
    return span(cell, index < length ? style : 'dim');
  });
  return joined(spans);
}

/** Neighbours of one style become one span. */
function joined(spans: readonly Span[]): Line {
  const all: Span[] = [];
  for (const one of spans) {
    const last = all.at(-1);
    if (last?.style === one.style) all[all.length - 1] = span(last.text + one.text, one.style);
    else all.push(one);
  }
  return all;
}

/** The last values as a row of heights, the newest at the right; `most` is the full height. */
export function sparkline(
  values: readonly number[],
  width: number,
  most: number,
  { levels }: Glyphs,
): string {
  const shown = values.slice(-width);
  const drawn = shown.map((value) => {
    if (value <= 0 || most <= 0) return ' ';
    const level = Math.min(levels.length, Math.max(1, Math.ceil((value / most) * levels.length)));
    return levels[level - 1];
  });
  return drawn.join('').padStart(width);
}
