import { isInHole, packed } from './far-files.js';

/** What a qcow2 image has that no table refers to, or that too few refcounts count. */
export interface Check {
  /** Clusters whose refcount is larger than their references. */
  leaks: number;
  /** Offset of a cluster whose refcount is smaller, null: there is none. The image is broken then. */
  broken: number | null;
}

const DIRTY = 1n;
const EXTENDED_L2 = 16n;
const SNAPSHOT_BYTES = 40;
const COMPRESSED = 1n << 62n;
const STEP = 512;
const ZEROS = Buffer.alloc(STEP);
/** More clusters than the file of any image has. */
const CLUSTERS_MAX = (1 << 20) + (1 << 16);
/** Of the second half of an entry, as this processor reads it: the bits that name a place. */
const PLACE_BITS = 0x00feffff;

/** References to each cluster of the image that is looked at, and the place behind the last that is not 0. */
const references = new Int32Array(CLUSTERS_MAX);
let top = 0;

/**
 * Compares the refcounts of a qcow2 image with its references, as `qemu-img check` does and the format's
 * description says, but in a millisecond. Shares no code with the program. Knows no bitmaps.
 *
 * @param isFar The file has a hole, which is not among its bytes: see `far-files.ts`.
 * @returns Null for an image with the dirty mark: its refcounts are rebuilt when it is opened.
 */
export function checkQcow(file: Buffer, isFar = false): Check | null {
  const image = new Bytes(file, isFar);
  const isNew = image.u32(4) >= 3;
  const features = isNew ? image.u64(72) : 0n;
  if ((features & DIRTY) !== 0n) return null;
  const clusterBits = image.u32(20);
  const clusterBytes = 2 ** clusterBits;
  const check: Check = { leaks: 0, broken: null };
  references.fill(0, 0, top);
  top = 0;
  // A place that is so far off that no block counts it.
  let far: number | null = null;
  const refer = (offset: number, bytes: number): void => {
    const end = Math.ceil((offset + bytes) / clusterBytes);
    if (end > CLUSTERS_MAX) far ??= offset;
    const last = Math.min(CLUSTERS_MAX, end);
    for (let cluster = Math.floor(offset / clusterBytes); cluster < last; cluster++) {
      references[cluster]!++;
    }
    top = Math.max(top, last);
  };
  const entryBytes = (features & EXTENDED_L2) !== 0n ? 16 : 8;
  const referAll = (l1Offset: number, l1Entries: number): void => {
    refer(l1Offset, l1Entries * 8);
    for (const l1 of image.entries(l1Offset, l1Entries, 8)) {
      const table = image.place(l1);
      if (table === 0) continue;
      refer(table, clusterBytes);
      for (const l2 of image.entries(table, clusterBytes / entryBytes, entryBytes)) {
        const place = image.place(l2);
        if (image.isCompressed(l2)) referCompressed(image.u64(l2), clusterBits, refer);
        else if (place !== 0) refer(place, clusterBytes);
      }
    }
  };
  refer(0, 1);
  referAll(Number(image.u64(40)), image.u32(36));
  const snapshots = Number(image.u64(64));
  let at = snapshots;
  for (let left = image.u32(60); left > 0; left--) {
    referAll(Number(image.u64(at)), image.u32(at + 8));
    const names = image.u16(at + 12) + image.u16(at + 14);
    at += Math.ceil((SNAPSHOT_BYTES + image.u32(at + 36) + names) / 8) * 8;
  }
  if (at > snapshots) refer(snapshots, at - snapshots);
  const tableOffset = Number(image.u64(48));
  const tableBytes = image.u32(56) * clusterBytes;
  refer(tableOffset, tableBytes);
  const order = isNew ? image.u32(96) : 4;
  const perBlock = (clusterBytes * 8) / 2 ** order;
  const entries = [...image.entries(tableOffset, tableBytes / 8, 8)];
  const blocks = entries.filter((entry) => image.place(entry) !== 0);
  for (const at of blocks) refer(image.place(at), clusterBytes);
  for (const at of blocks) {
    const block = (at - tableOffset) / 8;
    const offset = image.place(at);
    const counts = (perBlock / clusterBytes) * image.lastUsed(offset, clusterBytes);
    for (let i = 0; i < counts; i++) {
      const cluster = block * perBlock + i;
      const count = image.bits(offset, i, order);
      const uses = references[cluster] ?? 0;
      references[cluster] = 0;
      if (count > uses) check.leaks++;
      else if (count < uses) check.broken ??= cluster * clusterBytes;
    }
  }
  // What is left is counted by no block.
  for (let cluster = 0; cluster < top; cluster++) {
    if (references[cluster] !== 0) check.broken ??= cluster * clusterBytes;
  }
  check.broken ??= far;
  return check;
}

function referCompressed(
  entry: bigint,
  clusterBits: number,
  refer: (offset: number, bytes: number) => void,
): void {
  const offsetBits = BigInt(62 - (clusterBits - 8));
  const offset = Number(entry & ((1n << offsetBits) - 1n));
  const sectors = Number((entry & (COMPRESSED - 1n)) >> offsetBits) + 1;
  refer(offset, sectors * 512 - (offset % 512));
}

/** Numbers of a file. Past its end, and in its hole, everything is 0. */
class Bytes {
  readonly #bytes: Buffer;
  readonly #words: Int32Array;
  readonly #isFar: boolean;

  constructor(bytes: Buffer, isFar: boolean) {
    this.#bytes = bytes;
    this.#words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
    this.#isFar = isFar;
  }

  /** Where a byte of the file is; Infinity in its hole. */
  #at(offset: number): number {
    if (!this.#isFar) return offset;
    return isInHole(offset) ? Infinity : packed(offset);
  }

  /** Where a table has entries that name a place: numbers of 64 bits, each at the beginning of `entryBytes`. */
  *entries(at: number, count: number, entryBytes: number): Generator<number> {
    const words = this.#words;
    const first = this.#at(at);
    const end = Math.min(first + count * entryBytes, this.#bytes.length - 7);
    for (let place = first; place < end; place += entryBytes) {
      const word = place / 4;
      if (words[word] === 0 && (words[word + 1]! & PLACE_BITS) === 0) continue;
      yield at + place - first;
    }
  }

  /** The place that an entry names. */
  place(at: number): number {
    return (this.u32(at) & 0x00ffffff) * 2 ** 32 + ((this.u32(at + 4) & 0xfffffe00) >>> 0);
  }

  isCompressed(at: number): boolean {
    return (this.u32(at) & 0x40000000) !== 0;
  }

  u16(offset: number): number {
    const at = this.#at(offset);
    return at + 2 <= this.#bytes.length ? this.#bytes.readUInt16BE(at) : 0;
  }

  u32(offset: number): number {
    const at = this.#at(offset);
    return at + 4 <= this.#bytes.length ? this.#bytes.readUInt32BE(at) : 0;
  }

  u64(offset: number): bigint {
    const at = this.#at(offset);
    return at + 8 <= this.#bytes.length ? this.#bytes.readBigUInt64BE(at) : 0n;
  }

  /** The number of bytes from `offset` on, at most `most` and a multiple of 512, behind which all are 0. */
  lastUsed(offset: number, most: number): number {
    const at = this.#at(offset);
    let used = most;
    while (used > 0 && this.#isZero(at + used - STEP)) used -= STEP;
    return used;
  }

  #isZero(at: number): boolean {
    const bytes = this.#bytes.subarray(at, at + STEP);
    return bytes.equals(ZEROS.subarray(0, bytes.length));
  }

  /** Number `index` of those of 2^order bits from `offset` on. Those of less than a byte begin at the low bits. */
  bits(offset: number, index: number, order: number): number {
    if (order > 3) {
      const place = offset + index * 2 ** (order - 3);
      if (order === 4) return this.u16(place);
      return order === 5 ? this.u32(place) : Number(this.u64(place));
    }
    const bits = 2 ** order;
    const byte = this.#bytes[this.#at(offset) + Math.floor((index * bits) / 8)] ?? 0;
    return (byte >> ((index * bits) % 8)) & (2 ** bits - 1);
  }
}

/** All that `qemu-img check` calls wrong are clusters behind the end of the file, which read as zeros. @param text What it says. */
export function onlyEndsEarly(text: string): boolean {
  const errors = text.split('\n').filter((line) => line.startsWith('ERROR'));
  return (
    errors.length > 0 && errors.every((line) => line.includes('exceeding the end of the file'))
  );
}
