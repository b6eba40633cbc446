import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inflate } from '../src/image/inflate.js';
import { mapImage } from '../src/image/map-image.js';
import { openChain } from '../src/image/open-chain.js';
import { lseekNow } from '../src/sys/libc.js';
import { SluiceError } from '../src/util/errors.js';
import { Random } from './exerciser/random.js';

/**
 * Feeds the qcow2 reader with mutations of real images. Whatever comes must end in an answer or in a
 * SluiceError, in bounded time and memory; anything else ends this program with the seed and round.
 *
 *     node build/tools/fuzz-qcow2.js [SECONDS [SEED]]
 */

const KINDS: readonly string[][] = [
  ['-o', 'cluster_size=512'],
  ['-o', 'cluster_size=64k'],
  ['-o', 'compat=0.10'],
  ['-o', 'extended_l2=on,cluster_size=16k'],
  ['-o', 'data_file=data.bin'],
  ['-o', 'compression_type=zstd'],
];

/** Entries of a map that are looked at: a hostile image can have as many as a large disk. */
const ENTRIES_MAX = 20_000;
/** No single input may take longer. */
const LIMIT_MS = 2000;
/** Resident memory may not grow beyond. */
const LIMIT_BYTES = 1 << 30;

function makeSeeds(folder: string): Buffer[] {
  return KINDS.map((words, index) => {
    const name = `seed${index}.qcow2`;
    const run = (program: string, ...list: string[]) => {
      execFileSync(program, list, { cwd: folder, stdio: 'ignore' });
    };
    run('qemu-img', 'create', '-f', 'qcow2', ...words, name, '8M');
    run('qemu-io', '-c', 'write -P 1 0 1M', '-c', 'write -z 2M 64k', name);
    if (index !== 4) run('qemu-img', 'snapshot', '-c', 'one', name);
    return readFileSync(join(folder, name));
  });
}

const EDGES = [0, 1, 0x7f, 0x80, 0xff];

/** Changes some bytes, most of them in the first clusters, where headers and tables are. */
function mutate(seed: Buffer, random: Random): Buffer {
  const bytes = Buffer.from(seed);
  const count = 1 + random.below(8);
  for (let i = 0; i < count; i++) {
    const span = random.below(2) === 0 ? 160 : bytes.length;
    const at = random.below(Math.min(span, bytes.length));
    bytes[at] = random.below(2) === 0 ? EDGES[random.below(EDGES.length)]! : random.below(256);
  }
  return random.below(10) === 0 ? bytes.subarray(0, random.below(bytes.length)) : bytes;
}

function look(path: string): void {
  const chain = openChain(path, { format: 'qcow2', backingFormats: [], snapshot: null });
  try {
    let count = 0;
    for (const _entry of mapImage(chain, lseekNow)) if (++count >= ENTRIES_MAX) break;
  } finally {
    chain.close();
  }
}

async function round(path: string, seeds: readonly Buffer[], random: Random): Promise<void> {
  const bytes = mutate(seeds[random.below(seeds.length)]!, random);
  writeFileSync(path, bytes);
  const start = performance.now();
  try {
    look(path);
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
  }
  const from = random.below(Math.max(1, bytes.length));
  const method = random.below(2) === 0 ? 'zlib' : 'zstd';
  await inflate(method, bytes.subarray(from, from + 65536), 65536);
  const took = performance.now() - start;
  if (took > LIMIT_MS) throw new Error(`took ${Math.round(took)} ms`);
  if (process.memoryUsage.rss() > LIMIT_BYTES) throw new Error('takes more than 1 GiB');
}

async function main(): Promise<number> {
  const [seconds = '60', seed = '1'] = process.argv.slice(2);
  const folder = mkdtempSync(join(tmpdir(), 'sluice-fuzz-'));
  const random = new Random(Number(seed), 0);
  const until = performance.now() + Number(seconds) * 1000;
  let rounds = 0;
  try {
    const seeds = makeSeeds(folder);
    const path = join(folder, 'input.qcow2');
    for (; performance.now() < until; rounds++) await round(path, seeds, random);
    process.stdout.write(`${rounds} rounds, nothing found\n`);
    return 0;
  } catch (error) {
    process.stdout.write(`seed ${seed}, round ${rounds}: ${(error as Error).stack}\n`);
    return 1;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

process.exitCode = await main();
