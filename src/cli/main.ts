#!/usr/bin/env node
import { EXIT_FAILED, EXIT_OK, SluiceError } from '../util/errors.js';
import { commandOf, createParser } from './parser.js';

/** The program `sluice`: the only place that prints errors and exits. */

/** Shortens the paths in a message to what one would type in this directory. */
function shorten(message: string, directory: string): string {
  if (directory === '/') return message;
  const prefix = `${directory}/`;
  const strip = (word: string) => (word.startsWith(prefix) ? word.slice(prefix.length) : word);
  return message.split(' ').map(strip).join(' ');
}

/** One line for the user: `sluice: mount: disk.img: no such file`. */
function errorLine(error: unknown, words: readonly string[]): string {
  const name = commandOf(words);
  const message = error instanceof Error ? error.message : String(error);
  const flat = shorten(message.replaceAll('\n', '\\n'), process.cwd());
  return name === undefined ? `sluice: ${flat}` : `sluice: ${name}: ${flat}`;
}

async function main(words: readonly string[]): Promise<number> {
  try {
    await createParser(words).parseAsync();
    return EXIT_OK;
  } catch (error) {
    process.stderr.write(`${errorLine(error, words)}\n`);
    if (words.includes('--verbose') && error instanceof Error) {
      process.stderr.write(`${error.stack ?? ''}\n`);
    }
    return error instanceof SluiceError ? error.exitCode : EXIT_FAILED;
  }
}

process.exitCode = await main(process.argv.slice(2));
