import { writeSync } from 'node:fs';
import { hostErrorText } from '../util/errno.js';
import { EXIT_FAILED, SluiceError } from '../util/errors.js';

/** The reader of standard output has closed it. That is no failure of the command. */
export class OutputClosed extends Error {}

const STDOUT = 1;
/** Pause before the next try to write to a full pipe. */
const PAUSE_MS = 1;

/**
 * Writes all of a text to stdout.
 *
 * @throws OutputClosed if the reader has closed it; SluiceError for any other failure.
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

/** Prints a line for people on stderr. stdout has the result of the command only. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Shorter waits print no progress. */
const PROGRESS_AFTER_MS = 2000;

/** Prints the reason of a wait on a terminal after two seconds. */
export function progress(text: string): { end(): void } {
  if (process.stderr.isTTY !== true) return { end: () => {} };
  const timer = setTimeout(() => note(`${text}...`), PROGRESS_AFTER_MS);
  return { end: () => clearTimeout(timer) };
}

/** Returns a function that prints progress on a terminal, at most every two seconds. */
export function progressNotes(prefix: string): (text: string) => void {
  let last = performance.now();
  return (text) => {
    if (process.stderr.isTTY !== true || performance.now() - last < PROGRESS_AFTER_MS) return;
    last = performance.now();
    note(`${prefix}${text}`);
  };
}
