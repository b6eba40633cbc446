import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { qemuTest } from '../formats/needs.js';
import { TMPFS } from '../helpers/temp.js';

const run = promisify(execFile);

/** How long fresh seeds are tried. SLUICE_VOPR_SECONDS makes it the long run. */
const SECONDS = process.env.SLUICE_VOPR_SECONDS ?? '120';

/** A folder with the images that all runs begin with: to make them takes as long as a hundred runs. */
let images: Promise<string> | undefined;

test.after.always(async () => {
  if (images !== undefined) rmSync(await images, { recursive: true });
});

async function makeImages(): Promise<string> {
  const folder = mkdtempSync(join(TMPFS, 'sluice-vopr-'));
  await tool(folder, '--runs', '0');
  return folder;
}

async function vopr(t: ExecutionContext, ...words: string[]): Promise<string> {
  t.timeout((Number(SECONDS) + 900) * 1000);
  images ??= makeImages();
  const stdout = await tool(await images, ...words);
  const lines = stdout.trimEnd().split('\n');
  // A trace begins with the whole plan.
  t.log(lines[0]?.slice(0, 80));
  t.log(lines.at(-1));
  return stdout;
}

async function tool(folder: string, ...words: string[]): Promise<string> {
  const args = ['build/tools/vopr.js', '--jobs', '1', '--images', folder, ...words];
  const { stdout } = await run('node', args, { maxBuffer: 1 << 24 }).catch((error) => error);
  return stdout;
}

qemuTest('the whole daemon survives seeds that failed once', async (t) => {
  const text = await vopr(t, '--corpus', '--runs', '0');
  t.regex(text, /, 0 failed$/m, text);
});

qemuTest('the whole daemon survives two minutes of fresh seeds', async (t) => {
  const text = await vopr(t, '--seconds', SECONDS);
  t.regex(text, /^[1-9]\d* runs .*, 0 failed$/m, text);
});

qemuTest('the power fails at any moment: nothing synced is lost, qemu-img agrees', async (t) => {
  const text = await vopr(t, '--seed', '1', '--runs', '25', '--end', 'power cut', '--judge');
  t.regex(text, /25 runs .*, 0 failed$/m, text);
});

// A few of each kind, far from each other. `vopr --each` takes all, and qemu-img looks at each image then.
qemuTest('operations of the host fail in turn, with each kind of image', async (t) => {
  const text = await vopr(t, '--seed', '11', '--each', '--most', '2', '--no-judge');
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
