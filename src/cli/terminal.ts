import { writeSync } from 'node:fs';
import { hostErrorText } from '../util/errno.js';
import { EXIT_FAILED, SluiceError } from '../util/errors.js';

/** Nobody reads the standard output any more: that is no fault, and there is no more to print. */
export class OutputClosed extends Error {}

const STDOUT = 1;
/** For how long a reader is waited for that does not keep up with a pipe that does not block. */
const PAUSE_MS = 1;

/**
 * Prints on stdout, and returns when all is written.
 *
 * @throws OutputClosed when the reader has gone, SluiceError when it cannot be written
 */
export function print(text: string): void {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length; ) done += writeSome(bytes, done);
}

function writeSome(bytes: Buffer, from: number): number {
  try {
    return writeSync(STDOUT, bytes, from);
  } catch (error) {
    const { code = '', errno = 0 } = error as NodeJS.ErrnoException;
    if (code === 'EPIPE') throw new OutputClosed();
    if (code !== 'EAGAIN') {
      throw new SluiceError(`standard output: ${hostErrorText(errno)}`, code, EXIT_FAILED, error);
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
    return 0;
  }
}

/** Prints a line for people on stderr: stdout is for what was asked for. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Progress is said about what takes longer than this. */
const PROGRESS_AFTER_MS = 2000;

/** Says on a terminal what is being waited for, if it takes more than two seconds. */
export function progress(text: string): { end(): void } {
  if (process.stderr.isTTY !== true) return { end: () => {} };
  const timer = setTimeout(() => note(`${text}...`), PROGRESS_AFTER_MS);
  return { end: () => clearTimeout(timer) };
}

/** Says on a terminal how far something is, after two seconds and then as often. */
export function progressNotes(prefix: string): (text: string) => void {
  let last = performance.now();
  return (text) => {
    if (process.stderr.isTTY !== true || performance.now() - last < PROGRESS_AFTER_MS) return;
    last = performance.now();
    note(`${prefix}${text}`);
  };
}
