import type { BlockLayer } from './block-layer.js';
import type { Extent } from './extent.js';
import { MISSING } from './slice-cache.js';

/** What the bits of a bitmap stand for. */
export interface SectorBits {
  /** Which bit of a word is that of its first sector. */
  order: 'high-first' | 'low-first';
  sectorBytes: number;
}

/**
 * Cuts a DATA extent to the sectors at its beginning that are alike by a bitmap: a bit is 1 where the
 * sector is in this image. Sectors that are not become a hole, and METADATA is what is not loaded yet.
 *
 * @param slice Number of the first slice of the bitmap.
 * @param bitmapAt Host offset of the bitmap.
 * @param sector Bit of the first sector of the extent.
 * @param inSector Bytes of that sector that lie before the extent.
 */
export function cutAtSectors(
  layer: BlockLayer,
  { order, sectorBytes }: SectorBits,
  slice: number,
  bitmapAt: number,
  sector: number,
  inSector: number,
  extent: Extent,
): void {
  const { sliceBytes } = layer.table;
  const sliceBits = sliceBytes * 8;
  const number = Math.floor(sector / sliceBits);
  const { offset, kind, file } = extent;
  const at = layer.findSlice(slice + number, bitmapAt + number * sliceBytes, extent);
  if (at === MISSING) return;
  const { words } = layer.cache;
  const flip = order === 'high-first' ? 31 : 0;
  const first = sector - number * sliceBits;
  const isThere = bitOf(words, at, first, flip);
  const end = Math.min(sliceBits, first + Math.ceil((inSector + extent.length) / sectorBytes));
  const alike = isThere === 1 ? 0xffffffff : 0;
  let next = first + 1;
  while (next < end) {
    if ((next & 31) === 0 && words[at + (next >>> 5)] === alike) next += 32;
    else if (bitOf(words, at, next, flip) === isThere) next++;
    else break;
  }
  extent.length = Math.min(extent.length, (Math.min(next, end) - first) * sectorBytes - inSector);
  extent.kind = isThere === 1 ? kind : layer.holeKind;
  extent.offset = isThere === 1 ? offset : -1;
  extent.file = file;
}

function bitOf(words: Uint32Array, at: number, bit: number, flip: number): number {
  return (words[at + (bit >>> 5)]! >>> ((bit & 31) ^ flip)) & 1;
}
