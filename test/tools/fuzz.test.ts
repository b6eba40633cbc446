import { fileURLToPath } from 'node:url';
import { qemuTest } from '../formats/needs.js';
import { run } from '../helpers/run.js';
import { TMPFS } from '../helpers/temp.js';

const FUZZ = fileURLToPath(new URL('../../tools/fuzz-qcow2.js', import.meta.url));

/** They take 20 s of a processor; the limits are for a machine that has much else to do. */
const ROUNDS = 1200;

qemuTest('mutated qcow2 images are read and written, or refused, within bounds', async (t) => {
  t.timeout(290_000);
  const words = [FUZZ, '--rounds', String(ROUNDS), '--seed', '1', '--folder', TMPFS];
  const ended = await run(process.execPath, words, { limitMs: 280_000 });
  t.is(ended.code, 0, ended.stdout + ended.stderr);
  // Most images are damaged so little that they can be written.
  const [, written] = /^1200 rounds \((\d+) written, \d+ refused\), nothing found$/m.exec(
    ended.stdout,
  ) ?? [null, '0'];
  t.true(Number(written) > ROUNDS / 3, ended.stdout);
});
