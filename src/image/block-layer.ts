import type { Task } from '../host/engine.js';
import { type BlockTable, BROKEN_TABLE, NO_TABLE } from './block-table.js';
import type { Layer } from './driver.js';
import { EmptySlices } from './empty-slices.js';
import { BROKEN, COMPRESSED, DATA, type Extent, METADATA, UNALLOCATED, ZERO } from './extent.js';
import type { LayerIo } from './format.js';
import type { Inflation } from './inflate-calls.js';
import { MISSING, makeSliceCache, type Patch, type SliceCache } from './slice-cache.js';

// What an entry says of its block, besides an offset from 0 on.

/** The block is not there. */
export const HOLE = -1;
/** It reads as zeros. */
export const ZEROS = -2;
/** The entry means nothing. */
export const INVALID = -3;
/** The block is compressed. */
export const PACKED = -4;

/** A number above it is not exact. */
const PLACE_MAX = Number.MAX_SAFE_INTEGER;

/** The meaning of the entries of a format. */
export interface EntryRule {
  /**
   * What an entry says: the host offset of its block, HOLE, ZEROS, INVALID or PACKED.
   *
   * @param at Index of its first word.
   */
  place(words: Uint32Array, at: number): number;
  /** Tells `offset` and `bytes` of the compressed block of a PACKED entry. */
  packed?(words: Uint32Array, at: number, extent: Extent): void;
  /**
   * For blocks that may be there in part: cuts a DATA extent to the sectors at its beginning that are
   * alike, and makes it a hole, or METADATA, where they are not there, or not known.
   */
  cut?(layer: BlockLayer, block: number, at: number, inBlock: number, extent: Extent): void;
}

interface LayerOptions {
  /** Slices that the rule loads besides those of the table; their numbers follow. */
  more?: number;
  inflation?: Inflation | null;
  patch?: Patch | undefined;
}

/** An image that consists of blocks of one size, found by a table, as a layer. */
export class BlockLayer implements Layer {
  readonly size: number;
  readonly hasHostHoles = false;
  readonly inflation: Inflation | null;
  readonly cache: SliceCache;
  readonly table: BlockTable;
  /** Kind of an extent where nothing is. */
  readonly holeKind: number;
  readonly #rule: EntryRule;
  readonly #empty: EmptySlices;
  readonly #file: number;
  readonly #sliceEntries: number;
  readonly #slicesPerTable: number;
  readonly #entryWords: number;
  readonly #sliceWords: number;

  /**
   * @param file The engine's handle of the host file.
   */
  constructor(
    table: BlockTable,
    rule: EntryRule,
    file: number,
    io: LayerIo,
    { more = 0, inflation = null, patch }: LayerOptions = {},
  ) {
    this.table = table;
    this.size = table.size;
    this.inflation = inflation;
    this.holeKind = table.hasBacking ? UNALLOCATED : ZERO;
    this.#rule = rule;
    this.#file = file;
    this.#sliceEntries = table.sliceBytes / table.entryBytes;
    this.#slicesPerTable = Math.ceil(table.tableEntries / this.#sliceEntries);
    this.#entryWords = table.entryBytes / 4;
    this.#sliceWords = table.sliceBytes / 4;
    const slices = this.slices + more;
    this.#empty = new EmptySlices(this.slices);
    this.cache = makeSliceCache(slices, table.sliceBytes, table.order, io, patch);
  }

  /** Number of slices of the table. */
  get slices(): number {
    return this.table.tables.length * this.#slicesPerTable;
  }

  map(offset: number, length: number, extent: Extent): void {
    const { blockBytes } = this.table;
    const block = Math.floor(offset / blockBytes);
    const index = this.#indexOf(block);
    extent.present = true;
    extent.length = length;
    if (this.#goOn(index, offset, length, extent)) {
      extent.kind = this.holeKind;
      extent.offset = -1;
      return;
    }
    const at = this.find(index, extent);
    if (at === MISSING) {
      if (extent.kind === BROKEN) this.#cutAtTable(index, offset, extent);
      return;
    }
    const inBlock = offset - block * blockBytes;
    const { words } = this.cache;
    const place = this.#rule.place(words, at);
    extent.kind = this.#kindOf(place);
    extent.file = this.#file;
    extent.offset = place >= 0 ? place + inBlock : -1;
    const rest = blockBytes - inBlock;
    if (place === PACKED) {
      extent.length = Math.min(length, rest);
      extent.skip = inBlock;
      this.#rule.packed!(words, at, extent);
    } else if (extent.kind === DATA && this.#rule.cut !== undefined) {
      extent.length = Math.min(length, rest);
      this.#rule.cut(this, block, at, inBlock, extent);
    } else if (rest < length) {
      extent.length = Math.min(length, rest + this.#alike(block, at, place, length - rest));
      const isHole = extent.kind === this.holeKind;
      if (isHole && extent.length < length) this.#endHole(block, offset, length, extent);
    }
  }

  load(request: number, extent: Extent): Task {
    return this.cache.load(request, extent);
  }

  /** Index of an entry's first word in the cache; MISSING, and `extent` says why, if it is not there. */
  find(index: number, extent: Extent): number {
    const number = Math.floor(index / this.table.tableEntries);
    const { tables, sliceBytes } = this.table;
    const table = number < tables.length ? tables[number]! : NO_TABLE;
    if (table <= 0) {
      extent.kind = table === NO_TABLE ? this.holeKind : BROKEN;
      extent.offset = -1;
      return MISSING;
    }
    const inTable = index - number * this.table.tableEntries;
    const inSlices = Math.floor(inTable / this.#sliceEntries);
    const slice = number * this.#slicesPerTable + inSlices;
    const place = this.findSlice(slice, table + inSlices * sliceBytes, extent);
    if (place === MISSING) return MISSING;
    return place + (inTable - inSlices * this.#sliceEntries) * this.#entryWords;
  }

  /** Index of a slice's first word in the cache; MISSING, and `extent` is METADATA, if it is not there. */
  findSlice(slice: number, offset: number, extent: Extent): number {
    const place = this.cache.find(slice);
    if (place !== MISSING) return place * this.#sliceWords;
    extent.kind = METADATA;
    extent.file = this.#file;
    extent.offset = offset;
    extent.slice = slice;
    return MISSING;
  }

  #indexOf(block: number): number {
    return block + Math.floor(block / this.table.groupBlocks);
  }

  /** The block of an entry, or of the next one if that is not of a block. */
  #blockAt(index: number): number {
    return index - Math.floor(index / (this.table.groupBlocks + 1));
  }

  #kindOf(place: number): number {
    if (place >= 0) return place <= PLACE_MAX && place < this.table.hostBytes ? DATA : BROKEN;
    if (place === HOLE) return this.holeKind;
    if (place === ZEROS) return ZERO;
    return place === PACKED ? COMPRESSED : BROKEN;
  }

  /** Bytes of the blocks after one that are as it is and follow it in the host file, at least `wanted`. */
  #alike(block: number, at: number, place: number, wanted: number): number {
    const { blockBytes, hostBytes } = this.table;
    const { words } = this.cache;
    const index = this.#indexOf(block);
    const sliceEnd = at - (at % this.#sliceWords) + this.#sliceWords;
    const step = place >= 0 ? blockBytes : 0;
    let bytes = 0;
    for (let next = block + 1; bytes < wanted; next++, bytes += blockBytes) {
      const other = at + (this.#indexOf(next) - index) * this.#entryWords;
      if (other >= sliceEnd) break;
      const expected = place + (next - block) * step;
      if (this.#rule.place(words, other) !== expected) break;
      if (expected >= hostBytes && place < hostBytes) break;
    }
    return bytes;
  }

  /** A hole ends within its slice, or at the end of it: then it goes on with what follows. */
  #endHole(block: number, offset: number, length: number, extent: Extent): void {
    const sliceEntries = this.#sliceEntries;
    const slice = Math.floor(this.#indexOf(block) / sliceEntries);
    const next = this.#indexOf((offset + extent.length) / this.table.blockBytes);
    if (next < (slice + 1) * sliceEntries) return;
    if (this.#blockAt(slice * sliceEntries) === block) this.#empty.add(slice);
    this.#goOn(next, offset, length, extent);
  }

  /**
   * Has an extent from `offset` reach over the entries from `index` on that are known to be holes.
   *
   * @returns False if the first one is not.
   */
  #goOn(index: number, offset: number, length: number, extent: Extent): boolean {
    const { blockBytes } = this.table;
    const end = this.#indexOf(Math.floor((offset + length - 1) / blockBytes)) + 1;
    const next = this.#endOfHoles(index, end);
    if (next === index) return false;
    extent.length = Math.min(length, this.#blockAt(next) * blockBytes - offset);
    return true;
  }

  /** The first entry from one on that is neither of a missing table nor of an empty slice, or `end`. */
  #endOfHoles(index: number, end: number): number {
    const { tables } = this.table;
    const { slices } = this;
    let next = index;
    while (next < end) {
      const slice = Math.floor(next / this.#sliceEntries);
      const number = Math.floor(slice / this.#slicesPerTable);
      // Behind the last part there are only holes.
      if (number >= tables.length) return end;
      const isThere = tables[number] !== NO_TABLE;
      const other = isThere
        ? this.#empty.endOf(slice, slices)
        : (number + 1) * this.#slicesPerTable;
      if (other === slice) return next;
      next = other * this.#sliceEntries;
    }
    return end;
  }

  /** Maps the parts of a table that are broken, one after the other, as one extent. */
  #cutAtTable(index: number, offset: number, extent: Extent): void {
    const { tables, tableEntries, blockBytes } = this.table;
    const end = offset + extent.length;
    const covers = tableEntries * blockBytes;
    let next = Math.floor(index / tableEntries) + 1;
    while (next < tables.length && tables[next] === BROKEN_TABLE && next * covers < end) next++;
    extent.length = Math.min(end, next * covers) - offset;
  }
}
