import { closeSync, openSync, writeSync } from 'node:fs';
import { statOf } from './proc.js';

/** The place of the arguments among the fields of `statOf`. */
const ARGUMENTS_AT = 45;

/**
 * Has ps(1) and others show another command line for this process, where its own is long enough. A shell cannot start a
 * program under another name. Does not throw: the name is for people.
 */
export function showAs(words: readonly string[]): void {
  try {
    const fields = statOf(process.pid).slice(ARGUMENTS_AT, ARGUMENTS_AT + 2);
    const [start, end] = fields.map(Number) as [number, number];
    const bytes = Buffer.alloc(end - start);
    const text = `${words.join('\0')}\0`;
    if (Buffer.byteLength(text) > bytes.length) return;
    bytes.write(text);
    const memory = openSync('/proc/self/mem', 'r+');
    try {
      writeSync(memory, bytes, 0, bytes.length, start);
    } finally {
      closeSync(memory);
    }
  } catch {
    // A kernel that hides its addresses, or its memory.
  }
}
