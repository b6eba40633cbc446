import { open, rm, stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { type Outcome, outcomeOf, run } from '../lib/process.js';
import type { ImageModel, Promised } from './image-model.js';
import { generationsOf, SECTOR, stamp, ZEROS } from './stamps.js';

/** An image as a file on the host. */
export interface HostImage {
  path: string;
  format: 'raw' | 'qcow2';
}

const CHUNK_SECTORS = 8192;
const QEMU_LIMIT_MS = 120_000;

/** What `qemu-img check` may find. A leak wastes room and is all right after a kill. */
export type Soundness = 'sound' | 'leaks at most';

/** The writes that a killed process has under way keep their file locked until they are done. */
const RELEASE_LIMIT_MS = 30_000;

/** Runs a program of QEMU; after a kill, until the locks of the dead process are gone. */
async function runQemu(
  program: string,
  words: readonly string[],
  wasKilled: boolean,
): Promise<Outcome> {
  const end = Date.now() + RELEASE_LIMIT_MS;
  for (;;) {
    const outcome = await outcomeOf(program, words, QEMU_LIMIT_MS);
    if (!wasKilled || !outcome.stderr.includes('Failed to get') || Date.now() > end) return outcome;
    await delay(50);
  }
}

/**
 * Lets qemu-img check the tables of an image that nobody uses, and that it is not locked.
 *
 * @throws Error with what it found
 */
export async function checkTables({ path, format }: HostImage, allowed: Soundness): Promise<void> {
  // qemu-img looks at a raw image without asking for its locks; qemu-io opens it as if to write.
  const isRaw = format === 'raw';
  const words = isRaw ? ['-f', 'raw', '-c', 'quit', path] : ['check', '-f', format, path];
  const program = isRaw ? 'qemu-io' : 'qemu-img';
  const { code, stdout, stderr, isLate } = await runQemu(
    program,
    words,
    allowed === 'leaks at most',
  );
  // 2: corruption. 3: leaked clusters and nothing else.
  if (code === 0 || (code === 3 && allowed === 'leaks at most')) return;
  const how = isLate ? 'does not end' : `finds (code ${code})`;
  throw new Error(`${path}: ${program} ${how}: ${stdout.slice(-2000)}${stderr.slice(-500)}`);
}

/**
 * Reads the whole content of an image that nobody uses, not by our own code, and compares it with its
 * model, which then takes what was found.
 *
 * @param scratch path for a raw copy
 * @throws Error with a sentence about the first difference
 */
export async function checkContent(
  model: ImageModel,
  image: HostImage,
  promised: Promised,
  scratch: string,
): Promise<void> {
  if (image.format === 'raw') return compare(model, image.path, promised);
  const words = ['convert', '-f', image.format, '-O', 'raw', image.path, scratch];
  try {
    await run('qemu-img', words, QEMU_LIMIT_MS);
    await compare(model, scratch, promised);
  } finally {
    await rm(scratch, { force: true });
  }
}

async function compare(model: ImageModel, path: string, promised: Promised): Promise<void> {
  const sectors = Math.ceil((await stat(path)).size / SECTOR);
  if (!model.isPossibleSize(sectors, promised)) {
    throw new Error(`${path}: ${sectors} sectors; the model has ${model.sectors} (${promised})`);
  }
  const all = new Uint32Array(sectors).fill(ZEROS);
  const file = await open(path, 'r');
  try {
    const bytes = Buffer.alloc(CHUNK_SECTORS * SECTOR);
    for (let first = 0; first < sectors; first += CHUNK_SECTORS) {
      const { bytesRead } = await file.read(bytes, 0, bytes.length, first * SECTOR);
      const found = generationsOf(bytes.subarray(0, bytesRead), model.image, first);
      const wrong = model.difference(first, found, promised);
      if (wrong !== null) throw new Error(`${path}: ${wrong}`);
      all.set(found, first);
    }
  } finally {
    await file.close();
  }
  model.adopt(sectors, (sector) => all[sector]);
}

/** Writes the first content of an image: a file of stamped sectors. */
export async function writeContent(
  model: ImageModel,
  path: string,
  sectors: number,
): Promise<void> {
  const generation = model.fill(0, sectors);
  const file = await open(path, 'w');
  try {
    for (let first = 0; first < sectors; first += CHUNK_SECTORS) {
      const bytes = Buffer.alloc(Math.min(CHUNK_SECTORS, sectors - first) * SECTOR);
      stamp(bytes, model.image, first, generation);
      await file.write(bytes);
    }
    await file.sync();
  } finally {
    await file.close();
  }
}
