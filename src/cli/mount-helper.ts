#!/usr/bin/env node
import './working-directory.js';
import '../server/no-debugger.js';
import '../server/inlining.js';
import '../server/compile-cache.js';
import { EXIT_OK, EXIT_USAGE, exitCodeOf } from '../util/errors.js';
import { oneLine } from '../util/one-line.js';
import { fstabWords } from './fstab-words.js';
import { parseLine, runWords } from './parser.js';
import { note } from './terminal.js';

/** The program `mount.fuse.sluice`, which mount(8) calls for the type fuse.sluice of /etc/fstab. */

/** What mount(8) takes for wrong usage, and for a mount that failed. */
const USAGE = 1;
const FAILED = 32;

async function main(argv: readonly string[]): Promise<number> {
  try {
    const { words, isFake } = fstabWords(argv);
    if (isFake) await parseLine(words);
    return isFake ? EXIT_OK : await runWords(words);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    note(`mount.fuse.sluice: ${oneLine(message)}`);
    return exitCodeOf(error) === EXIT_USAGE ? USAGE : FAILED;
  }
}

main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
