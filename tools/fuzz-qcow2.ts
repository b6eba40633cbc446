import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inflate } from '../src/image/inflate.js';
import { mapImage } from '../src/image/map-image.js';
import { openChain } from '../src/image/open-chain.js';
import { SluiceError } from '../src/util/errors.js';
import { Random } from './exerciser/random.js';
import { makeSeeds, mutate, mutateTables } from './fuzz/mutations.js';
import { writeImage } from './fuzz/write-image.js';
import { runTool } from './lib/cleanup.js';
import { temporaryFolder } from './lib/image.js';
import { toolOptions } from './lib/options.js';

/**
 * Feeds mutations of real images to the reader and the writer of qcow2. Each must end in a result or in
 * a SluiceError, in bounded time and memory, and without a write out of bounds. Anything else ends this
 * program, which then prints the seed and the round.
 *
 * `--first ROUND --rounds 1` repeats one round.
 */

/** Number of map entries that are read: a hostile image can have as many as a large disk. */
const ENTRIES_MAX = 20_000;
/** The most processor time that a single input may take. */
const LIMIT_MS = 4000;
/** The most by which one input may grow the resident memory. (Mappings stay until the end.) */
const LIMIT_BYTES = 256 << 20;

/** The numbers of images that were opened for writing, and that were refused. */
const written = { opened: 0, refused: 0 };

function look(path: string): void {
  const chain = openChain(path, { format: 'qcow2', backingFormats: [], snapshot: null });
  try {
    let count = 0;
    for (const _entry of mapImage(chain)) if (++count >= ENTRIES_MAX) break;
  } finally {
    chain.close();
  }
}

/** Calls `what`; false if the image was refused. */
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

function readOptions() {
  return toolOptions('fuzz-qcow2', 'Reads and writes mutated qcow2 images, and looks for faults.')
    .options({
      seconds: { type: 'number', describe: 'how long [60, if there are no --rounds]' },
      rounds: { type: 'number', describe: 'how many images' },
      seed: { type: 'number', default: 1, describe: 'of the random numbers' },
      first: { type: 'number', default: 0, describe: 'the round to begin with' },
      folder: { type: 'string', default: tmpdir(), describe: 'folder for the images' },
    })
    .parseSync();
}

async function main(): Promise<number> {
  const { seed, first, folder: base, ...length } = readOptions();
  const rounds = length.rounds ?? Number.POSITIVE_INFINITY;
  const seconds = length.seconds ?? (length.rounds === undefined ? 60 : Number.POSITIVE_INFINITY);
  const folder = await temporaryFolder(base);
  const until = performance.now() + seconds * 1000;
  let done = 0;
  try {
    const seeds = makeSeeds(folder);
    const path = join(folder, 'input.qcow2');
    for (; performance.now() < until && done < rounds; done++) {
      await round(path, seeds, new Random(seed, first + done));
    }
    const { opened, refused } = written;
    process.stdout.write(`${done} rounds (${opened} written, ${refused} refused), nothing found\n`);
    return 0;
  } catch (error) {
    const where = `seed ${seed}, round ${first + done}`;
    process.stdout.write(`${where}: ${(error as Error).stack}\n`);
    return 1;
  }
}

await runTool('fuzz-qcow2', main);
