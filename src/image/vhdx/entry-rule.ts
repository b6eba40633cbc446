import { type EntryRule, HOLE, INVALID, ZEROS } from '../block-layer.js';
import { BROKEN } from '../extent.js';
import { cutAtSectors, type SectorBits } from '../sector-bitmap.js';
import { MISSING } from '../slice-cache.js';
import { MIB } from './header.js';
import { BITMAP_SECTORS, type VhdxMetadata } from './open-image.js';

// [MS-VHDX] 2.5.1: the low three bits of an entry, and the states that have the block in the file.
const STATE_BITS = 7;
const NOT_PRESENT = 0;
const LAST_ZERO = 3;
const UNMAPPED_V095 = 5;
const FULLY_PRESENT = 6;
const PARTIALLY_PRESENT = 7;
/** The other bits of the low word that are not reserved: a MiB is the unit of offsets. */
const OFFSET_LOW = 0xfff00000;

/** Number of slices of all bitmaps of sectors: each has a MiB, and a differencing image has one for each group. */
export function bitmapSlices({ table, sectorBytes }: VhdxMetadata): number {
  const bitmaps = Math.ceil(table.size / (BITMAP_SECTORS * sectorBytes));
  return table.hasBacking ? bitmaps * (MIB / table.sliceBytes) : 0;
}

function offsetOf(words: Uint32Array, at: number): number {
  return words[at + 1]! * 2 ** 32 + ((words[at]! & OFFSET_LOW) >>> 0);
}

/** The meaning of the entries of an image. */
export function ruleOf(vhdx: VhdxMetadata): EntryRule {
  const { table } = vhdx;
  const isTouched = touchedBlocks(vhdx);
  const place = (words: Uint32Array, at: number): number => {
    const state = words[at]! & STATE_BITS;
    if (state === NOT_PRESENT) return HOLE;
    // Undefined, zero, unmapped: the parent does not show through.
    if (state <= LAST_ZERO || state === UNMAPPED_V095) return ZEROS;
    const isThere = state === FULLY_PRESENT || (state === PARTIALLY_PRESENT && table.hasBacking);
    const offset = offsetOf(words, at);
    return isThere && offset >= MIB && !isTouched(offset) ? offset : INVALID;
  };
  return table.hasBacking ? { place, cut: cutOf(vhdx) } : { place };
}

/** A log changes tables, never data. Blocks of a file that says otherwise are not shown. */
function touchedBlocks({ table, pages }: VhdxMetadata): (offset: number) => boolean {
  const touched = [...new Set(Array.from(pages.keys(), (at) => Math.floor(at / MIB) * MIB))];
  return (offset) => touched.some((at) => at >= offset && at < offset + table.blockBytes);
}

/** Cuts blocks that are there in part by the bitmap of their group, whose entry follows those of the group. */
function cutOf({ table, sectorBytes }: VhdxMetadata): NonNullable<EntryRule['cut']> {
  const { groupBlocks, blockBytes, sliceBytes } = table;
  const bits: SectorBits = { order: 'low-first', sectorBytes };
  return (layer, block, at, inBlock, extent) => {
    if ((layer.cache.words[at]! & STATE_BITS) === FULLY_PRESENT) return;
    const group = Math.floor(block / groupBlocks);
    const entry = layer.find((group + 1) * (groupBlocks + 1) - 1, extent);
    if (entry === MISSING) return;
    const { words } = layer.cache;
    const bitmapAt = offsetOf(words, entry);
    if ((words[entry]! & STATE_BITS) !== FULLY_PRESENT || bitmapAt < MIB) {
      extent.kind = BROKEN;
      return;
    }
    const slice = layer.slices + group * (MIB / sliceBytes);
    const inGroup = (block - group * groupBlocks) * blockBytes + inBlock;
    const sector = Math.floor(inGroup / sectorBytes);
    cutAtSectors(layer, bits, slice, bitmapAt, sector, inGroup % sectorBytes, extent);
  };
}
