import { writeSync } from 'node:fs';
import { STDERR, STDOUT } from '../sys/constants.js';
import { hostErrorText } from '../util/errno.js';
import { EXIT_FAILED, SluiceError } from '../util/errors.js';

/** The reader of standard output has closed it. That is no failure of the command. */
export class OutputClosed extends Error {}

/** Pause before the next try to write to a full pipe. */
const PAUSE_MS = 1;

/**
 * Writes all of a text to stdout.
 *
 * @throws OutputClosed if the reader has closed it; SluiceError for any other failure.
 */
export function print(text: string): void {
  try {
    writeAll(STDOUT, text);
  } catch (error) {
    const { code = '', errno = 0 } = error as NodeJS.ErrnoException;
    if (code === 'EPIPE') throw new OutputClosed();
    throw new SluiceError(`standard output: ${hostErrorText(errno)}`, code, EXIT_FAILED, error);
  }
}

/**
 * Prints a line for people on stderr. stdout has the result of the command only. A stderr that is closed
 * ends nothing. (Not by process.stderr, whose streams take 2 ms to load.)
 */
export function note(text: string): void {
  try {
    writeAll(STDERR, `${text}\n`);
  } catch {
    // There is no better place to say it.
  }
}

/** @throws the error of write(2) */
function writeAll(descriptor: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length; ) done += writeSome(descriptor, bytes, done);
}

function writeSome(descriptor: number, bytes: Buffer, from: number): number {
  try {
    return writeSync(descriptor, bytes, from);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
    return 0;
  }
}

/** Shorter waits print no progress. */
const PROGRESS_AFTER_MS = 2000;

/** Prints the reason of a wait on a terminal after two seconds. */
export function progress(text: string): { end(): void } {
  const timer = setTimeout(() => {
    if (process.stderr.isTTY === true) note(`${text}...`);
  }, PROGRESS_AFTER_MS);
  return { end: () => clearTimeout(timer) };
}

/** Returns a function that prints progress on a terminal, at most every two seconds. */
export function progressNotes(prefix: string): (text: string) => void {
  let last = process.uptime();
  return (text) => {
    if (process.uptime() - last < PROGRESS_AFTER_MS / 1000) return;
    last = process.uptime();
    if (process.stderr.isTTY !== true) return;
    note(`${prefix}${text}`);
  };
}
