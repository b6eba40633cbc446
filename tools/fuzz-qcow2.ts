import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { inflate } from '../src/image/inflate.js';
import { mapImage } from '../src/image/map-image.js';
import { openChain } from '../src/image/open-chain.js';
import { lseekNow } from '../src/sys/libc.js';
import { SluiceError } from '../src/util/errors.js';
import { Random } from './exerciser/random.js';
import { makeSeeds, mutate, mutateTables } from './fuzz/mutations.js';
import { writeImage } from './fuzz/write-image.js';

/**
 * Feeds the reader and the writer of qcow2 with mutations of real images. Whatever comes must end in
 * an answer or in a SluiceError, in bounded time and memory, and without a write that is out of
 * bounds; anything else ends this program with the seed and round.
 *
 *     node build/tools/fuzz-qcow2.js [--seconds 60] [--rounds N] [--seed 1] [--first 0] [--folder DIR]
 *
 * `--first ROUND --rounds 1` repeats one round.
 */

/** Entries of a map that are looked at: a hostile image can have as many as a large disk. */
const ENTRIES_MAX = 20_000;
/** No single input may take more processor time. */
const LIMIT_MS = 4000;
/** Resident memory may not grow by more, for a single input. (What is mapped stays until the end.) */
const LIMIT_BYTES = 256 << 20;

/** What became of the images that were to be written. */
const written = { opened: 0, refused: 0 };

function look(path: string): void {
  const chain = openChain(path, { format: 'qcow2', backingFormats: [], snapshot: null });
  try {
    let count = 0;
    for (const _entry of mapImage(chain, lseekNow)) if (++count >= ENTRIES_MAX) break;
  } finally {
    chain.close();
  }
}

/** Does it, unless the image is refused; false then. */
async function unlessRefused(what: () => void | Promise<void>): Promise<boolean> {
  try {
    await what();
    return true;
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    return false;
  }
}

async function round(path: string, seeds: readonly Buffer[], random: Random): Promise<void> {
  const seed = seeds[random.below(seeds.length)]!;
  const bytes = random.oneIn(2) ? mutate(seed, random) : mutateTables(seed, random);
  writeFileSync(path, bytes);
  const start = process.cpuUsage();
  const before = process.memoryUsage.rss();
  await unlessRefused(() => look(path));
  const opened = await unlessRefused(() => writeImage(path, random));
  written[opened ? 'opened' : 'refused']++;
  const from = random.below(Math.max(1, bytes.length));
  const method = random.below(2) === 0 ? 'zlib' : 'zstd';
  await inflate(method, bytes.subarray(from, from + 65536), 65536);
  const { user, system } = process.cpuUsage(start);
  const took = (user + system) / 1000;
  if (took > LIMIT_MS) throw new Error(`took ${Math.round(took)} ms`);
  const memory = process.memoryUsage.rss() - before;
  if (memory > LIMIT_BYTES) throw new Error(`takes ${memory >> 20} MiB`);
}

async function main(): Promise<number> {
  const text = { type: 'string' } as const;
  const options = { seconds: text, rounds: text, seed: text, first: text, folder: text };
  const { values } = parseArgs({ options });
  const { seconds = values.rounds === undefined ? '60' : 'Infinity', rounds = 'Infinity' } = values;
  const { seed = '1', first = '0', folder: base = tmpdir() } = values;
  const folder = mkdtempSync(join(base, 'sluice-fuzz-'));
  const until = performance.now() + Number(seconds) * 1000;
  let done = 0;
  try {
    const seeds = makeSeeds(folder);
    const path = join(folder, 'input.qcow2');
    for (; performance.now() < until && done < Number(rounds); done++) {
      await round(path, seeds, new Random(Number(seed), Number(first) + done));
    }
    const { opened, refused } = written;
    process.stdout.write(`${done} rounds (${opened} written, ${refused} refused), nothing found\n`);
    return 0;
  } catch (error) {
    const where = `seed ${seed}, round ${Number(first) + done}`;
    process.stdout.write(`${where}: ${(error as Error).stack}\n`);
    return 1;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

process.exitCode = await main();
