/** How a run of characters looks on a terminal. */
export interface Look {
  readonly bold: boolean;
  readonly dim: boolean;
  readonly inverse: boolean;
  /** The number of a colour, 0 to 7; null: that of text. */
  readonly colour: number | null;
}

/** Characters of one look. */
export interface Run {
  readonly text: string;
  readonly look: Look;
}

const PLAIN: Look = { bold: false, dim: false, inverse: false, colour: null };

/** What a number of the sequence `ESC [ ... m` (SGR, ECMA-48) does to a look. */
function applied(look: Look, code: number): Look {
  if (code === 0) return PLAIN;
  if (code === 1) return { ...look, bold: true };
  if (code === 2) return { ...look, dim: true };
  if (code === 7) return { ...look, inverse: true };
  if (code === 22) return { ...look, bold: false, dim: false };
  if (code === 27) return { ...look, inverse: false };
  if (code >= 30 && code <= 37) return { ...look, colour: code - 30 };
  // The usual ground, which nothing here changes.
  if (code === 49) return look;
  if (code === 39) return { ...look, colour: null };
  throw new Error(`a terminal's attribute ${code}, which no picture has`);
}

/** The lines that `tmux capture-pane -e -p` prints, as runs. A look lasts over the ends of lines. */
export function parseScreen(text: string): Run[][] {
  let look = PLAIN;
  return text
    .replace(/\n$/, '')
    .split('\n')
    .map((line) => {
      const runs: Run[] = [];
      // Texts, and between them the numbers of a sequence.
      // biome-ignore lint/suspicious/noControlCharactersInRegex: a sequence begins with one.
      for (const [index, part] of line.split(/\u001b\[([0-9;]*)m/).entries()) {
        if (index % 2 === 1) look = part.split(';').map(Number).reduce(applied, look);
        else if (part !== '') runs.push({ text: part, look });
      }
      return runs;
    });
}
