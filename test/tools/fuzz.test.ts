import { fileURLToPath } from 'node:url';
import { compileFunction } from 'node:vm';
import test from 'ava';
import { Campaign } from '../../tools/fuzz/campaign.js';
import { Coverage } from '../../tools/fuzz/coverage.js';
import type { Target } from '../../tools/fuzz/target.js';
import { requires } from '../helpers/requires.js';
import { run } from '../helpers/run.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';

const fuzzTest = requires('qemu', 'sfdisk');

const FUZZ = fileURLToPath(new URL('../../tools/fuzz.js', import.meta.url));

/** It takes 20 s of a processor; the limit is for a machine that has much else to do. */
const LIMIT_MS = 280_000;

fuzzTest('hostile bytes end in a result or a refusal: the short form of fuzz', async (t) => {
  t.timeout(LIMIT_MS + 10_000);
  const words = [FUZZ, '--short', '--seed', '1', '--folder', TMPFS, '--finds', tempFolder(t)];
  const ended = await run(process.execPath, words, { limitMs: LIMIT_MS });
  t.log(ended.stdout);
  t.is(ended.code, 0, ended.stdout + ended.stderr);
  const lines = ended.stdout.trimEnd().split('\n');
  t.deepEqual(
    lines.map((line) => line.split(':')[0]),
    ['images', 'reads', 'requests', 'control', 'words', 'tables', 'servers'],
  );
  for (const line of lines) t.regex(line, /: \d+ inputs, [1-9]\d* kept, .*, nothing found$/);
});

/** Fails for the text `lock`, which nobody guesses at once. Each letter is a block of code. */
const FRAGILE = `
  if (input[0] !== 0x6c) return;
  if (input[1] !== 0x6f) return;
  if (input[2] !== 0x63) return;
  if (input[3] === 0x6b) throw new Error('found');
`;

/** The number of inputs until the fault is found; null if it is not within 30,000. */
async function inputsUntilFound(name: string, learns: boolean): Promise<number | null> {
  const coverage = new Coverage(new RegExp(`^${name}$`));
  // Compiled anew: V8 counts only in functions that it has compiled since counting began.
  const fragile = compileFunction(FRAGILE, ['input'], { filename: name });
  const target: Target = {
    ...{ name, about: '', batch: 16, each: 1, short: 1, longest: 8, fixed: true },
    seeds: () => [Buffer.from('....')],
    words: async () => [Buffer.from('?')],
    prepare: () => (input) => fragile(input),
  };
  const start = { target, words: await target.words(), seed: 1, first: 0, learns };
  const run = async (input: Buffer) => fragile(input);
  const campaign = new Campaign({ ...start, corpus: target.seeds('') }, coverage, run);
  try {
    await campaign.go({ seconds: Infinity, inputs: 30_000 });
    return null;
  } catch (error) {
    if ((error as Error).message !== 'found') throw error;
    return campaign.inputs;
  } finally {
    coverage.end();
  }
}

test.serial(
  'what reaches new code is kept, and so a fault behind four bytes is found',
  async (t) => {
    const one = await inputsUntilFound('one.js', true);
    t.not(one, null);
    t.is(await inputsUntilFound('two.js', true), one);
    t.is(await inputsUntilFound('blind.js', false), null);
  },
);
