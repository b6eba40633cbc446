import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { describeImage } from '../../src/image/describe.js';
import { formats } from '../../src/image/formats.js';
import { inflate } from '../../src/image/inflate.js';
import { mapImage } from '../../src/image/map-image.js';
import { type ChainOptions, openChain } from '../../src/image/open-chain.js';
import * as qcow2 from '../../src/image/qcow2/abi.js';
import { SluiceError } from '../../src/util/errors.js';
import { Random } from '../exerciser/random.js';
import { makeSeeds, mutateTables } from './image-seeds.js';
import type { Target } from './target.js';
import { writeImage } from './write-image.js';

/** Number of map entries that are read: a hostile image can have as many as a large disk. */
const ENTRIES_MAX = 20_000;
const INFLATED_BYTES = 65536;

const HOW: ChainOptions = { format: 'auto', backingFormats: [], snapshot: null };

function look(path: string, options: ChainOptions): void {
  const chain = openChain(path, options);
  try {
    let count = 0;
    for (const _entry of mapImage(chain)) if (++count >= ENTRIES_MAX) break;
  } finally {
    chain.close();
  }
}

async function unlessRefused(what: () => unknown): Promise<void> {
  try {
    await what();
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
  }
}

/** Numbers of the format as it stores them. */
function fields(): Buffer[] {
  return Object.values(qcow2)
    .filter((value) => typeof value === 'number')
    .flatMap((value) => {
      const word = Buffer.alloc(4);
      word.writeUInt32BE(value >>> 0);
      const long = Buffer.alloc(8);
      long.writeBigUInt64BE(1n << BigInt(value % 64));
      return [word, long];
    });
}

/** Images of every format: probed, described, mapped, opened for writing, and written to. */
export const images: Target = {
  name: 'images',
  about: 'images, raw and qcow2: probe, describe, open, map, write, flush',
  batch: 1,
  each: 2000,
  short: 150,
  longest: 8 << 20,
  fixed: true,
  seeds: (folder) => makeSeeds(folder),
  words: async () => [
    ...fields(),
    ...[...formats().map(({ name }) => name), 'seed0.qcow2', '/dev/zero', 'json:', 'nbd:'].map(
      (text) => Buffer.from(text),
    ),
  ],
  mutate: mutateTables,
  prepare: (folder) => {
    const path = join(folder, 'input.qcow2');
    return async (input) => {
      // What is done with an input depends on nothing else.
      const random = new Random(crc32(input), 0);
      writeFileSync(path, input);
      await unlessRefused(() => describeImage(path, HOW));
      for (const { name } of formats()) {
        await unlessRefused(() => look(path, { ...HOW, format: name }));
      }
      const snapshot = String(1 + random.below(2));
      await unlessRefused(() => look(path, { ...HOW, format: 'qcow2', snapshot }));
      await unlessRefused(() => writeImage(path, random));
      const from = random.below(Math.max(1, input.length));
      const method = random.oneIn(2) ? 'zlib' : 'zstd';
      await inflate(method, input.subarray(from, from + INFLATED_BYTES), INFLATED_BYTES);
    };
  },
};
