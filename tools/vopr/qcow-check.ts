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
const OFFSET = 0x00fffffffffffe00n;
const COMPRESSED = 1n << 62n;
const STEP = 512;
const ZEROS = Buffer.alloc(STEP);

/**
 * Compares the refcounts of a qcow2 image with its references, as `qemu-img check` does and the format's
 * description says, but in a millisecond. Shares no code with the program. Knows no bitmaps.
 *
 * @returns Null for an image with the dirty mark: its refcounts are rebuilt when it is opened.
 */
export function checkQcow(file: Buffer): Check | null {
  const image = new Bytes(file);
  const isNew = image.u32(4) >= 3;
  const features = isNew ? image.u64(72) : 0n;
  if ((features & DIRTY) !== 0n) return null;
  const clusterBits = image.u32(20);
  const clusterBytes = 2 ** clusterBits;
  const references = new Map<number, number>();
  const refer = (offset: number, bytes: number): void => {
    const end = Math.ceil((offset + bytes) / clusterBytes);
    for (let cluster = Math.floor(offset / clusterBytes); cluster < end; cluster++) {
      references.set(cluster, (references.get(cluster) ?? 0) + 1);
    }
  };
  const entryBytes = (features & EXTENDED_L2) !== 0n ? 16 : 8;
  const referAll = (l1Offset: number, l1Entries: number): void => {
    refer(l1Offset, l1Entries * 8);
    for (let index = 0; index < l1Entries; index++) {
      const table = Number(image.u64(l1Offset + index * 8) & OFFSET);
      if (table === 0) continue;
      refer(table, clusterBytes);
      for (let at = table; at < table + clusterBytes; at += entryBytes) {
        if (image.u32(at) === 0 && image.u32(at + 4) < 512) continue;
        const entry = image.u64(at);
        if ((entry & COMPRESSED) !== 0n) referCompressed(entry, clusterBits, refer);
        else if ((entry & OFFSET) !== 0n) refer(Number(entry & OFFSET), clusterBytes);
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
  const blocks = Array.from({ length: tableBytes / 8 }, (_, block) =>
    Number(image.u64(tableOffset + block * 8) & OFFSET),
  );
  for (const offset of blocks) if (offset !== 0) refer(offset, clusterBytes);
  const check: Check = { leaks: 0, broken: null };
  for (const [block, offset] of blocks.entries()) {
    if (offset === 0) continue;
    const counts = (perBlock / clusterBytes) * image.lastUsed(offset, clusterBytes);
    for (let i = 0; i < counts; i++) {
      const cluster = block * perBlock + i;
      const count = image.bits(offset, i, order);
      const uses = references.get(cluster) ?? 0;
      references.delete(cluster);
      if (count > uses) check.leaks++;
      else if (count < uses) check.broken ??= cluster * clusterBytes;
    }
  }
  // What is left is counted by no block.
  for (const cluster of references.keys()) check.broken ??= cluster * clusterBytes;
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

/** Numbers of a file. Past its end everything is 0. */
class Bytes {
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  u16(at: number): number {
    return at + 2 <= this.#bytes.length ? this.#bytes.readUInt16BE(at) : 0;
  }

  u32(at: number): number {
    return at + 4 <= this.#bytes.length ? this.#bytes.readUInt32BE(at) : 0;
  }

  u64(at: number): bigint {
    return at + 8 <= this.#bytes.length ? this.#bytes.readBigUInt64BE(at) : 0n;
  }

  /** The number of bytes from `at` on, at most `most` and a multiple of 512, behind which all are 0. */
  lastUsed(at: number, most: number): number {
    let used = most;
    while (used > 0 && this.#isZero(at + used - STEP)) used -= STEP;
    return used;
  }

  #isZero(at: number): boolean {
    const bytes = this.#bytes.subarray(at, at + STEP);
    return bytes.equals(ZEROS.subarray(0, bytes.length));
  }

  /** Number `index` of those of 2^order bits from `at` on. Those of less than a byte begin at the low bits. */
  bits(at: number, index: number, order: number): number {
    if (order < 3) {
      const bits = 2 ** order;
      const byte = this.#bytes[at + Math.floor((index * bits) / 8)] ?? 0;
      return (byte >> ((index * bits) % 8)) & (2 ** bits - 1);
    }
    if (order === 3) return this.#bytes[at + index] ?? 0;
    if (order === 4) return this.u16(at + index * 2);
    return order === 5 ? this.u32(at + index * 4) : Number(this.u64(at + index * 8));
  }
}
