import { createHash } from 'node:crypto';

// The file of a cache, little-endian:
//
//        0  header, of which everything but state and boot stays as it was made
//     8192  a bit for each block: it is in the cache
//     data  the blocks, each as far behind `data` as it is into the export
//
// A header of zeros is that of a file that was being made, so nothing is in it.

/** Bytes of a block. */
export const CACHE_BLOCK = 4096;
/** Largest export, bytes: its bits take 128 MiB of memory. */
export const CACHED_MAX = 4 * 2 ** 40;
export const CACHE_HEADER_BYTES = 8192;

const MAGIC = Buffer.from('sluice-nbd-cache');
const VERSION = 1;
const VERSION_AT = 16;
const BLOCK_AT = 20;
const SIZE_AT = 24;
export const STATE_AT = 32;
const BOOT_AT = 36;
const BOOT_BYTES = 36;
const NAME_LENGTH_AT = BOOT_AT + BOOT_BYTES;
const NAME_AT = NAME_LENGTH_AT + 4;
const SUM_AT = CACHE_HEADER_BYTES - 32;

const CLEAN = 1;
const IN_USE = 2;

/** What a cache is of, and how it was left. */
export interface CacheHeader {
  /** Of the export, bytes. */
  size: number;
  /** See `HostFile.identity`. */
  name: string;
  /** Everything is on the disk, and nobody uses it. */
  isClean: boolean;
  /** Of the kernel under which it was used last. */
  boot: string;
}

/** Why there is no header. */
export type NoHeader = 'empty' | 'foreign' | 'newer' | 'damaged';

/** Where things are in the file, bytes. */
export interface CacheLayout {
  blocks: number;
  bits: number;
  bitBytes: number;
  data: number;
  fileSize: number;
}

export function cacheLayout(size: number): CacheLayout {
  const blocks = Math.ceil(size / CACHE_BLOCK);
  const bitBytes = Math.ceil(blocks / 8);
  const data = CACHE_HEADER_BYTES + Math.ceil(bitBytes / CACHE_BLOCK) * CACHE_BLOCK;
  return { blocks, bits: CACHE_HEADER_BYTES, bitBytes, data, fileSize: data + size };
}

export function encodeCacheHeader({ size, name, isClean, boot }: CacheHeader): Buffer {
  const bytes = Buffer.alloc(CACHE_HEADER_BYTES);
  MAGIC.copy(bytes);
  bytes.writeUInt32LE(VERSION, VERSION_AT);
  bytes.writeUInt32LE(CACHE_BLOCK, BLOCK_AT);
  bytes.writeBigUInt64LE(BigInt(size), SIZE_AT);
  encodeCacheState(isClean).copy(bytes, STATE_AT);
  bytes.write(boot, BOOT_AT, BOOT_BYTES, 'latin1');
  const room = SUM_AT - NAME_AT;
  bytes.writeUInt32LE(bytes.write(name, NAME_AT, room), NAME_LENGTH_AT);
  sumOf(bytes).copy(bytes, SUM_AT);
  return bytes;
}

/** The bytes at `STATE_AT`, which are within a sector, so a disk has all of them or none. */
export function encodeCacheState(isClean: boolean): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(isClean ? CLEAN : IN_USE);
  return bytes;
}

/** @param file The first bytes of the file, with zeros behind its end. */
export function decodeCacheHeader(file: Uint8Array): CacheHeader | NoHeader {
  const bytes = Buffer.from(file.buffer, file.byteOffset, CACHE_HEADER_BYTES);
  if (bytes.every((byte) => byte === 0)) return 'empty';
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) return 'foreign';
  if (bytes.readUInt32LE(VERSION_AT) > VERSION) return 'newer';
  if (!sumOf(bytes).equals(bytes.subarray(SUM_AT))) return 'damaged';
  const length = bytes.readUInt32LE(NAME_LENGTH_AT);
  return {
    size: Number(bytes.readBigUInt64LE(SIZE_AT)),
    name: bytes.toString('utf8', NAME_AT, NAME_AT + length),
    isClean: bytes.readUInt32LE(STATE_AT) === CLEAN,
    boot: bytes.toString('latin1', BOOT_AT, BOOT_AT + BOOT_BYTES),
  };
}

/** Of what never changes. */
function sumOf(bytes: Buffer): Buffer {
  const hash = createHash('sha256').update(bytes.subarray(0, STATE_AT));
  return hash.update(bytes.subarray(NAME_LENGTH_AT, SUM_AT)).digest();
}
