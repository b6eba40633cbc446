import type { Task } from '../host/engine.js';
import { type BlockTable, NO_TABLE } from './block-table.js';
import type { Layer } from './driver.js';
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
    const at = this.find(index, extent);
    if (at === MISSING) {
      if (extent.kind !== METADATA) this.#cutAtTable(index, offset, extent);
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
    } else if (place >= 0 && this.#rule.cut !== undefined) {
      extent.length = Math.min(length, rest);
      this.#rule.cut(this, block, at, inBlock, extent);
    } else if (rest < length) {
      extent.length = Math.min(length, rest + this.#alike(block, at, place, length - rest));
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

  #kindOf(place: number): number {
    if (place >= 0) return place <= PLACE_MAX ? DATA : BROKEN;
    if (place === HOLE) return this.holeKind;
    if (place === ZEROS) return ZERO;
    return place === PACKED ? COMPRESSED : BROKEN;
  }

  /** Bytes of the blocks after one that are as it is and follow it in the host file, at least `wanted`. */
  #alike(block: number, at: number, place: number, wanted: number): number {
    const { blockBytes } = this.table;
    const { words } = this.cache;
    const index = this.#indexOf(block);
    const sliceEnd = at - (at % this.#sliceWords) + this.#sliceWords;
    const step = place >= 0 ? blockBytes : 0;
    let bytes = 0;
    for (let next = block + 1; bytes < wanted; next++, bytes += blockBytes) {
      const other = at + (this.#indexOf(next) - index) * this.#entryWords;
      if (other >= sliceEnd) break;
      if (this.#rule.place(words, other) !== place + (next - block) * step) break;
    }
    return bytes;
  }

  /** Maps missing parts of a table as one extent: an empty disk of 1 TiB has thousands of them. */
  #cutAtTable(index: number, offset: number, extent: Extent): void {
    const { tables, tableEntries, blockBytes } = this.table;
    const end = offset + extent.length;
    const first = Math.floor(index / tableEntries);
    const covers = tableEntries * blockBytes;
    let next = first + 1;
    while (next < tables.length && tables[next] === tables[first] && next * covers < end) next++;
    // Behind the last part there are only holes.
    if (next < tables.length || extent.kind === BROKEN) {
      extent.length = Math.min(end, next * covers) - offset;
    }
  }
}
