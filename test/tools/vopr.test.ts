import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import { qemuTest } from '../formats/needs.js';

const run = promisify(execFile);

/** How long seeds are tried. SLUICE_VOPR_SECONDS makes it the long run. */
const SECONDS = Number(process.env.SLUICE_VOPR_SECONDS ?? 45);
/** Which ones: a run of the tests can be repeated, on a quick machine too. `make vopr` tries fresh ones. */
const SEEDS = process.env.SLUICE_VOPR_SECONDS ? [] : ['--seed', '40756', '--runs', '200'];

async function vopr(t: ExecutionContext, ...words: string[]): Promise<string> {
  t.timeout((SECONDS + 900) * 1000);
  const args = ['build/tools/vopr.js', '--jobs', '1', ...words];
  const { stdout } = await run('node', args, { maxBuffer: 1 << 24 }).catch((error) => error);
  const lines: string[] = stdout.trimEnd().split('\n');
  t.log(lines[0]);
  t.log(lines.at(-1));
  return stdout;
}

qemuTest('the whole daemon survives seeds that failed once, and others', async (t) => {
  const text = await vopr(t, '--corpus', ...SEEDS, '--seconds', String(SECONDS));
  t.regex(text, /, 0 failed$/m, text);
});

qemuTest('images come and go under load, with faults, and while the mount ends', async (t) => {
  const text = await vopr(t, '--seed', '5000000', '--runs', '100');
  t.regex(text, /100 runs .*, 0 failed$/m, text);
});

qemuTest('the power fails at any moment: nothing synced is lost, qemu-img agrees', async (t) => {
  const text = await vopr(t, '--seed', '1', '--runs', '40', '--end', 'power cut', '--judge');
  t.regex(text, /40 runs .*, 0 failed$/m, text);
});

// Most operations of the host are those of small clusters: each 97th of them all.
qemuTest('operations of the host fail in turn, with each kind of image', async (t) => {
  const text = await vopr(t, '--seed', '11', '--each', '--step', '97');
  t.regex(text, /, 0 failed$/m, text);
});

qemuTest('operations fail in turn while an image is detached and attached', async (t) => {
  const text = await vopr(t, '--seed', '34', '--each', '--image', '4');
  t.regex(text, /^change attach ok +\d+$/m, text);
  t.regex(text, /^change detach ok +\d+$/m, text);
  t.regex(text, /, 0 failed$/m, text);
});

qemuTest('the same seed does the same again', async (t) => {
  const [one, two] = await Promise.all([
    vopr(t, '--seed', '7', '--trace'),
    vopr(t, '--seed', '7', '--trace'),
  ]);
  // Addresses, descriptors and folders are the process's own.
  const own = /\(\d+\)| of \d+\b|sluice-tool-\w+|run-\d+/g;
  t.true(one.length > 1000);
  t.is(one.replace(own, ''), two.replace(own, ''));
});
