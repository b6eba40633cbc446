import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import test from 'ava';
import { qemuTest } from '../formats/needs.js';

const run = promisify(execFile);
const TOOL = 'build/tools/vopr.js';

/** How long fresh seeds are tried. SLUICE_VOPR_SECONDS makes it the long run. */
const SECONDS = Number(process.env.SLUICE_VOPR_SECONDS ?? 60);

qemuTest('the whole daemon survives seeds that failed once, and fresh ones', async (t) => {
  t.timeout((SECONDS + 240) * 1000);
  const words = [TOOL, '--corpus', '--seconds', String(SECONDS), '--jobs', '1'];
  const { stdout } = await run('node', words, { maxBuffer: 1 << 24 }).catch((error) => error);
  t.log(stdout.split('\n')[0]);
  t.log(stdout.trimEnd().split('\n').at(-1));
  t.regex(stdout, /, 0 failed$/m, stdout);
});

test('the same seed does the same again', async (t) => {
  const words = [TOOL, '--seed', '7', '--trace'];
  const [one, two] = await Promise.all([run('node', words), run('node', words)]);
  const lines = (text: string): string[] =>
    // Addresses and descriptors are the process's own.
    text.split('\n').map((line) => line.replace(/\(\d+\)| of \d+ |sluice-tool-\w+|run-\d+/g, ''));
  t.deepEqual(lines(one.stdout), lines(two.stdout));
});
