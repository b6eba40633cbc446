import { styleText } from 'node:util';
import type { Line, Style } from './spans.js';

type Format = Parameters<typeof styleText>[0];

/** Colours carry nothing that the text does not say. */
const COLOURED: Readonly<Record<Style, Format | null>> = {
  plain: null,
  dim: 'dim',
  bold: 'bold',
  good: 'green',
  warn: 'yellow',
  bad: 'red',
  chosen: 'inverse',
};

/** Without colour, as NO_COLOR asks for. */
const COLOURLESS: Readonly<Record<Style, Format | null>> = {
  ...COLOURED,
  good: null,
  warn: 'bold',
  bad: 'bold',
};

/** A line with the sequences of a terminal. */
export function encode(line: Line, isColoured: boolean): string {
  const formats = isColoured ? COLOURED : COLOURLESS;
  const parts = line.map(({ text, style }) => {
    const format = formats[style];
    return format === null ? text : styleText(format, text, { validateStream: false });
  });
  return parts.join('');
}

/** The text of a line alone. */
export const plainText = (line: Line): string =>
  line
    .map(({ text }) => text)
    .join('')
    .trimEnd();
