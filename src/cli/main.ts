#!/usr/bin/env node
import './working-directory.js';
import '../server/no-debugger.js';
import '../server/inlining.js';
import '../server/compile-cache.js';
import {
  EXIT_FAILED,
  EXIT_OK,
  EXIT_USAGE,
  exitCodeOf,
  SluiceError,
  sentenceOf,
} from '../util/errors.js';
import { oneLine } from '../util/one-line.js';
import { commandOf, runWords } from './parser.js';
import { note, OutputClosed } from './terminal.js';

/** The program `sluice`. Nothing else prints errors or sets the exit code. */

/** Makes the paths in a message relative to the directory. */
function shorten(message: string, directory: string): string {
  if (directory === '/') return message;
  const prefix = `${directory}/`;
  const strip = (word: string) => (word.startsWith(prefix) ? word.slice(prefix.length) : word);
  return message.split(' ').map(strip).join(' ');
}

/** One line for the user: `sluice: mount: disk.img: no such file`. */
function errorLine(error: unknown, words: readonly string[]): string {
  const name = commandOf(words)?.name;
  const message = sentenceOf(error);
  const flat = shorten(oneLine(message), process.cwd());
  return name === undefined ? `sluice: ${flat}` : `sluice: ${name}: ${flat}`;
}

/** Options end at `--`. */
function isVerbose(words: readonly string[]): boolean {
  const end = words.indexOf('--');
  return words.slice(0, end < 0 ? undefined : end).includes('--verbose');
}

/** Prints an error. @returns the exit code */
function fail(error: unknown, words: readonly string[]): number {
  if (error instanceof OutputClosed) return EXIT_OK;
  note(errorLine(error, words));
  if (isVerbose(words) && error instanceof Error) note(error.stack ?? '');
  return exitCodeOf(error);
}

async function main(words: readonly string[]): Promise<number> {
  try {
    if (words.length > 0) {
      return await runWords(words);
    }
    const { helpOf } = await import('./help.js');
    note(await helpOf());
    return EXIT_USAGE;
  } catch (error) {
    return fail(error, words);
  }
}

const words = process.argv.slice(2);
process.on('uncaughtException', (error) => {
  // A mount in the foreground ends the mount first, by its own handler.
  if (process.listenerCount('uncaughtException') > 1) return;
  process.exit(fail(error, words));
});
/** Nothing is left that the command waits for, and it has not ended: a mistake of ours, which is no success. */
const stranded = (): void => {
  if (process.exitCode !== undefined) return;
  process.exitCode = fail(new SluiceError('ended before it was done', 'EIO', EXIT_FAILED), words);
};
process.once('exit', stranded);
/** Settles when the command has ended. */
export const ended: Promise<void> = main(words).then((code) => {
  process.off('exit', stranded);
  process.exitCode = code;
});
