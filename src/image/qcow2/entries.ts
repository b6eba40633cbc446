/**
 * Entries of L1 and L2 tables, and of other tables of offsets, as pure functions. An entry is two 32-bit
 * words, high and low; offsets are bits 9 to 55.
 */

const OFFSET_HIGH = 0x00ffffff;
const OFFSET_LOW = 0xfffffe00;
export const COPIED_HIGH = 0x80000000;
const COMPRESSED_HIGH = 0x40000000;
const ZERO_LOW = 1;

/** Host offset of an L1 entry or of a standard L2 entry; above 2^53 it is not exact (and refused). */
export function entryOffset(high: number, low: number): number {
  return (high & OFFSET_HIGH) * 2 ** 32 + ((low & OFFSET_LOW) >>> 0);
}

/** The copied bit: the refcount of the cluster is exactly 1, so it may be written in place. */
export function isCopied(high: number): boolean {
  return (high & COPIED_HIGH) !== 0;
}

export function isCompressed(high: number): boolean {
  return (high & COMPRESSED_HIGH) !== 0;
}

/** Reads as zeros; standard entries of version 3 only. */
export function isZero(low: number): boolean {
  return (low & ZERO_LOW) !== 0;
}

/** Number of bits of the host offset in a compressed entry; the bits up to 61 count sectors. */
export function compressedOffsetBits(clusterBits: number): number {
  return 62 - (clusterBits - 8);
}

/** Host offset of a compressed cluster in bytes. It need not begin at a sector. */
export function compressedOffset(high: number, low: number, clusterBits: number): number {
  const bits = compressedOffsetBits(clusterBits) - 32;
  return (high & (2 ** bits - 1)) * 2 ** 32 + low;
}

/** Bytes from there to the end of the last sector that the compressed cluster touches. */
export function compressedBytes(high: number, low: number, clusterBits: number): number {
  const bits = compressedOffsetBits(clusterBits) - 32;
  const sectors = ((high & 0x3fffffff) >>> bits) + 1;
  return sectors * 512 - (low & 511);
}

// States of a subcluster, from the two bitmaps of an extended entry. State 1 is data. State 3,
// allocated and zero at once, is invalid.
export const SUBCLUSTER_UNALLOCATED = 0;
export const SUBCLUSTER_ZERO = 2;

/** State of subcluster `index`: its bit of the allocation bitmap plus twice that of the zero bitmap. */
export function subclusterState(
  zeroBitmap: number,
  allocatedBitmap: number,
  index: number,
): number {
  return ((allocatedBitmap >>> index) & 1) | (((zeroBitmap >>> index) & 1) << 1);
}

/**
 * A 64-bit field as a number. A value above 2^53 - 1 loses its low bits, but stays larger than every
 * accepted size and offset, so range checks still refuse it.
 */
export function getU64(view: DataView, at: number): number {
  return view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4);
}

/** Largest offset or size that is exact as a number. */
export const OFFSET_MAX = Number.MAX_SAFE_INTEGER;

/** One piece of a table of offsets in the form of the disk, with the copied bits if they are given. */
export function encodeTable(
  table: Float64Array,
  piece: number,
  pieceBytes: number,
  copied: Uint8Array | null,
): Uint8Array {
  const bytes = new Uint8Array(pieceBytes);
  const view = new DataView(bytes.buffer);
  const first = (piece * pieceBytes) / 8;
  for (let i = 0; i < pieceBytes / 8 && first + i < table.length; i++) {
    const offset = table[first + i]!;
    const flag = copied?.[first + i] === 1 && offset !== 0 ? COPIED_HIGH : 0;
    view.setUint32(i * 8, (flag | Math.floor(offset / 2 ** 32)) >>> 0);
    view.setUint32(i * 8 + 4, offset >>> 0);
  }
  return bytes;
}
