import {
  closeSync,
  constants,
  fdatasync,
  fdatasyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  writeSync,
} from 'node:fs';
import { O_CLOEXEC } from '../sys/constants.js';
import { EXIT_IMAGE, SluiceError } from '../util/errors.js';
import { BlockSet } from './block-set.js';
import {
  CACHE_BLOCK,
  CACHE_HEADER_BYTES,
  CACHED_MAX,
  type CacheHeader,
  type CacheLayout,
  cacheLayout,
  decodeCacheHeader,
  encodeCacheHeader,
  encodeCacheState,
  type NoHeader,
  STATE_AT,
} from './cache-layout.js';
import type { ExportCache } from './engine.js';
import { asFileError, forFile } from './file-errors.js';
import type { HostFile } from './host-file.js';
import { LocalFile } from './local-file.js';

/** A cache that is open and locked until its file is closed. */
export interface OpenCache {
  readonly cache: ExportCache;
  readonly file: LocalFile;
}

/** Where an export is looked at, and how many bytes there. */
const LOOKS = [0, 1 << 20] as const;
const LOOK_BYTES = 64 << 10;
/** Bytes of bits that are read at once. */
const BITS_AT_ONCE = 1 << 20;

const WHY: Readonly<Record<Exclude<NoHeader, 'empty'>, string>> = {
  foreign: 'is no cache of an NBD export',
  newer: 'is a cache that a newer version has made',
  damaged: 'is a damaged cache',
};
const REMEDY = 'name another file, or remove it';

/**
 * Opens and locks the cache of an export; makes it if there is none. What is in it is kept if it is of this export,
 * which has its size still, and if the file was closed or the machine has not been started again since: then
 * the kernel has everything that was written to it. Otherwise the cache begins anew.
 *
 * @param one The export, not handed over yet.
 * @param warn Called with a sentence if the cache begins anew.
 * @throws SluiceError exit code 1 if a file cannot be read or written, 3 if it is locked, or is something else
 */
export function openCacheFile(
  path: string,
  one: HostFile,
  warn: (text: string) => void,
): OpenCache {
  if (one.size > CACHED_MAX) {
    const message = `${one.path}: a cache is for exports of at most 4 TiB`;
    throw new SluiceError(message, 'EFBIG', EXIT_IMAGE);
  }
  makeIfMissing(path);
  if (!forFile(path, 'read', () => statSync(path)).isFile()) {
    const message = `${path}: is no regular file, as a cache is; name a new one`;
    throw new SluiceError(message, 'EINVAL', EXIT_IMAGE);
  }
  const file = new LocalFile(path);
  try {
    file.lock(true);
    // What the server has not written yet it may lose, and a cache that has it would differ from then on.
    one.edit().sync();
    const layout = cacheLayout(one.size);
    const header = decodeCacheHeader(file.read(0, CACHE_HEADER_BYTES));
    const { descriptor } = file.serve({ readOnly: false, directBlock: 0 });
    const why = whyAnew(file, header, one, layout, descriptor);
    if (why !== null) {
      if (why !== '') warn(`${path}: ${why}, so the cache begins anew`);
      forFile(path, 'written', () => ftruncateSync(descriptor, 0));
      forFile(path, 'written', () => ftruncateSync(descriptor, layout.fileSize));
    }
    const boot = bootId();
    const used = encodeCacheHeader({ size: one.size, name: one.identity, isClean: false, boot });
    forFile(path, 'written', () => writeSync(descriptor, used, 0, used.length, 0));
    // Before any bit is set: after a power failure the bits may be there and the blocks not.
    forFile(path, 'flushed', () => fdatasyncSync(descriptor));
    return { cache: { path, descriptor }, file };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** As secret as the disk. */
function makeIfMissing(path: string): void {
  try {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | O_CLOEXEC;
    closeSync(openSync(path, flags, 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw asFileError(path, 'make', error);
  }
}

/**
 * Why nothing of the file is kept; '' if there is nothing in it; null if all is kept.
 * @throws SluiceError exit code 3 for a file that is not the cache of this export
 */
function whyAnew(
  file: LocalFile,
  header: CacheHeader | NoHeader,
  one: HostFile,
  layout: CacheLayout,
  descriptor: number,
): string | null {
  const { path } = file;
  // A file with zeros that is as large as no cache may be somebody's disk.
  const isOurs = file.size === 0 || file.size === layout.fileSize;
  if (header === 'empty' && isOurs) return '';
  if (header === 'empty' || header === 'foreign') throw refused(path, WHY.foreign);
  if (typeof header === 'string') throw refused(path, WHY[header]);
  if (header.name !== one.identity) throw refused(path, `is the cache of ${header.name}`);
  if (header.size !== one.size) {
    return `the export has ${one.size} bytes now, and had ${header.size}`;
  }
  if (file.size !== layout.fileSize) throw refused(path, WHY.damaged);
  if (!header.isClean && header.boot !== bootId()) {
    return 'the machine went down while it was in use';
  }
  try {
    fdatasyncSync(descriptor);
  } catch {
    return 'its disk has lost a part of it';
  }
  return isStale(file, one, layout) ? 'the export was changed without it' : null;
}

function refused(path: string, what: string): SluiceError {
  return new SluiceError(`${path}: ${what}; ${REMEDY}`, 'EINVAL', EXIT_IMAGE);
}

/** Looks at blocks that change when a disk is partitioned, formatted or mounted. */
function isStale(file: LocalFile, one: HostFile, layout: CacheLayout): boolean {
  const known = new BlockSet(layout.blocks);
  try {
    forFile(file.path, 'read', () => loadBits(known, file.descriptor, layout));
    const places = [...LOOKS, Math.max(0, layout.blocks * CACHE_BLOCK - LOOK_BYTES)];
    return places.some((at) => at < one.size && differs(at, known, file, one, layout));
  } finally {
    known.release();
  }
}

function differs(
  at: number,
  known: BlockSet,
  file: LocalFile,
  one: HostFile,
  layout: CacheLayout,
): boolean {
  const first = at / CACHE_BLOCK;
  const bytes = Math.min(LOOK_BYTES, one.size - at);
  const end = first + Math.ceil(bytes / CACHE_BLOCK);
  if (!known.hasAny(first, end)) return false;
  const theirs = Buffer.from(one.read(at, bytes));
  const ours = file.read(layout.data + at, bytes);
  for (let block = first; block < end; block++) {
    const from = (block - first) * CACHE_BLOCK;
    const to = Math.min(bytes, from + CACHE_BLOCK);
    const isKnown = known.hasAll(block, block + 1);
    if (isKnown && theirs.compare(ours, from, to, from, to) !== 0) return true;
  }
  return false;
}

/** Adds the blocks that the file of a cache has, as it says. */
export function loadBits(blocks: BlockSet, descriptor: number, layout: CacheLayout): void {
  const { bits, bitBytes } = layout;
  for (let at = 0; at < bitBytes; at += BITS_AT_ONCE) {
    const piece = new Uint8Array(Math.min(BITS_AT_ONCE, bitBytes - at));
    readSync(descriptor, piece, 0, piece.length, bits + at);
    blocks.load(at, piece);
  }
}

/** Another one each time that the machine is started. */
function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
}

/**
 * Puts all of a cache on its disk, where no request is under way, so that it is kept when the machine is started
 * again. Where that fails there is nothing in it. Does not reject.
 *
 * A disk may take minutes for it, and nobody waits on this thread: whoever is killed meanwhile loses nothing.
 */
export async function endCacheFile(descriptor: number): Promise<void> {
  try {
    const header = new Uint8Array(CACHE_HEADER_BYTES);
    readSync(descriptor, header, 0, header.length, 0);
    // It may have been emptied.
    if (typeof decodeCacheHeader(header) === 'string') return;
    await syncData(descriptor);
    writeSync(descriptor, encodeCacheState(true), 0, 4, STATE_AT);
    await syncData(descriptor);
  } catch {
    emptyCacheFile(descriptor);
  }
}

function syncData(descriptor: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fdatasync(descriptor, (error) => (error === null ? resolve() : reject(error)));
  });
}

/** From now on nothing is in a cache, whatever comes. @returns False if even that cannot be done. */
export function emptyCacheFile(descriptor: number): boolean {
  try {
    ftruncateSync(descriptor, 0);
    return true;
  } catch {
    return false;
  }
}
