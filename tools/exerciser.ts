#!/usr/bin/env node
import { main } from './exerciser/command.js';

// Exercises a file in the manner of fsx; see --help.
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`exerciser: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
