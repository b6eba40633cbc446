import { emitKeypressEvents } from 'node:readline';
import {
  beginSynchronizedOutput,
  cursorHide,
  cursorShow,
  cursorTo,
  endSynchronizedOutput,
  enterAlternativeScreen,
  eraseEndLine,
  eraseScreen,
  exitAlternativeScreen,
} from 'ansi-escapes';
import { print } from '../terminal.js';
import type { Key } from './keys.js';
import { type Line, lineWidth } from './spans.js';
import { encode } from './styles.js';
import type { Size } from './view.js';

/** Colours and characters that a terminal can show, by its environment variables. */
export function abilities(env: NodeJS.ProcessEnv): { isColoured: boolean; isUtf8: boolean } {
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || '';
  return { isColoured: (env.NO_COLOR ?? '') === '', isUtf8: /utf-?8/i.test(locale) };
}

/** The sequences that make a screen of lines out of an older one; a line that is the same is left. */
export function difference(
  before: readonly string[],
  lines: readonly { text: string; width: number }[],
  columns: number,
): string {
  const changed = lines.flatMap(({ text, width }, row) => {
    if (before[row] === text) return [];
    return [cursorTo(0, row) + text + (width < columns ? eraseEndLine : '')];
  });
  if (changed.length === 0) return '';
  return beginSynchronizedOutput + changed.join('') + endSynchronizedOutput;
}

/** The keypress event of node:readline. */
interface Press {
  name?: string;
  ctrl?: boolean;
  sequence?: string;
}

/** The terminal as a screen of lines and a keyboard. It is given back however the program ends. */
export class Screen {
  readonly #isColoured: boolean;
  #shown: string[] = [];
  #isOpen = false;
  readonly #giveBack = (): void => this.close();

  /** @param onKey Called for each key, and `onResize` when the terminal has another size. */
  constructor(isColoured: boolean, onKey: (key: Key) => void, onResize: () => void) {
    this.#isColoured = isColoured;
    const { stdin, stdout } = process;
    process.once('exit', this.#giveBack);
    stdin.setRawMode(true);
    this.#isOpen = true;
    emitKeypressEvents(stdin);
    stdin.on('keypress', (text: string | undefined, press: Press) => {
      onKey({ name: press.name ?? '', text: text ?? '', ctrl: press.ctrl === true });
    });
    stdout.on('resize', () => {
      this.forget();
      onResize();
    });
    print(enterAlternativeScreen + cursorHide + eraseScreen);
  }

  get size(): Size {
    const { columns, rows } = process.stdout;
    // A terminal that does not tell its size: a serial line.
    return { columns: columns || 80, rows: rows || 24 };
  }

  draw(lines: readonly Line[]): void {
    const { columns } = this.size;
    const coded = lines.map((line) => {
      return { text: encode(line, this.#isColoured), width: lineWidth(line) };
    });
    print(difference(this.#shown, coded, columns));
    this.#shown = coded.map(({ text }) => text);
  }

  /** The next drawing draws all. */
  forget(): void {
    this.#shown = [];
    print(eraseScreen);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    process.off('exit', this.#giveBack);
    process.stdin.setRawMode(false);
    process.stdin.pause();
    print(cursorShow + exitAlternativeScreen);
  }
}
