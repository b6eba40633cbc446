import { closeSync, constants, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { ORDER_VARIABLE, type Unreported } from './order-answer.js';

/**
 * A program: writes an order about images to a mount, and prints the answer. It runs apart from the command
 * that needs it, because a call on a mount whose daemon hangs may never return (see run-program.ts).
 *
 *     order-writer.js MOUNTPOINT
 *
 * The order is in its environment, for it has the key of the daemon (ORDER_VARIABLE). Prints an OrderReport, or an Unreported where there is none.
 */
/** Longer than any answer. */
const ANSWER_BYTES = 1 << 20;

const [mountpoint = ''] = process.argv.slice(2);
const order = process.env[ORDER_VARIABLE] ?? '';

function unreported(errno: string, reason: string): string {
  return JSON.stringify({ errno, reason } satisfies Unreported);
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'EIO';
}

function write(): string {
  const folder = join(mountpoint, '.groups');
  const file = openSync(join(folder, 'images'), constants.O_RDWR);
  try {
    let errno = '';
    try {
      writeSync(file, `${order}\n`);
    } catch (error) {
      errno = codeOf(error);
    }
    // The errno of the write is only a part of the answer. Where the kernel caches control files (fuse-native with
    // the page cache) it gives the order back, or a part of the answer.
    const answer = readSome(file);
    if (/^\{"error":.*\}\n$/s.test(answer)) return answer;
    return unreported(
      errno,
      errno === '' ? '' : readFileSync(join(folder, 'refused'), 'utf8').trim(),
    );
  } finally {
    closeSync(file);
  }
}

/** From the beginning on: a write moves the place of the next read. */
function readSome(file: number): string {
  const bytes = Buffer.alloc(ANSWER_BYTES);
  return bytes.toString('utf8', 0, readSync(file, bytes, 0, ANSWER_BYTES, 0));
}

try {
  process.stdout.write(write());
} catch (error) {
  process.stdout.write(unreported(codeOf(error), ''));
}
