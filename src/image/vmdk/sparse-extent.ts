import { EmptySlices } from '../empty-slices.js';
import { BROKEN, COMPRESSED, DATA, type Extent, METADATA, UNALLOCATED, ZERO } from '../extent.js';
import { MISSING, type SliceCache } from '../slice-cache.js';
import * as abi from './abi.js';
import { VMDK_SECTOR_BYTES } from './abi.js';
import { BROKEN_TABLE, NO_TABLE } from './grain-directory.js';
import type { SparsePiece } from './pieces.js';
import type { SparseLayout } from './sparse-header.js';

/** A part of a grain table that is loaded at once: a whole table of most disks. */
export const GRAIN_SLICE_BYTES = 2048;

/** Slices of each table of an extent. */
export function slicesPerTable({ entriesPerTable, entryBytes }: SparseLayout): number {
  return Math.ceil((entriesPerTable * entryBytes) / GRAIN_SLICE_BYTES);
}

/** A sparse extent: finds grains by its directory, which is in memory, and slices of its tables. */
export class SparseExtent {
  /** All of its tables. */
  readonly slices: number;
  readonly #cache: SliceCache;
  readonly #file: number;
  readonly #hostSize: number;
  readonly #tables: Uint32Array;
  readonly #grainBytes: number;
  readonly #entryWords: number;
  readonly #slicesPerTable: number;
  /** Bytes of the disk. A table is whole slices. */
  readonly #sliceCoverage: number;
  readonly #empty: EmptySlices;
  readonly #zeroGrains: boolean;
  readonly #compressedAt: number;
  /** seSparse: sector of the first grain. */
  readonly #grains: number;
  /** Number of its first slice in the cache. */
  readonly #firstSlice: number;
  readonly #classify: (word: number) => void;
  /** Results of `#classify`. */
  #kind = ZERO;
  #host = -1;

  constructor(piece: SparsePiece, file: number, cache: SliceCache, firstSlice: number) {
    const { layout, tables, hostSize } = piece;
    const { grainBytes, entriesPerTable, entryBytes } = layout;
    this.#cache = cache;
    this.#file = file;
    this.#hostSize = hostSize;
    this.#tables = tables;
    this.#grainBytes = grainBytes;
    this.#entryWords = entryBytes / 4;
    this.#slicesPerTable = slicesPerTable(layout);
    this.#sliceCoverage = Math.min(entriesPerTable, GRAIN_SLICE_BYTES / entryBytes) * grainBytes;
    this.#zeroGrains = layout.zeroGrains;
    this.#compressedAt = layout.compressedAt ?? -1;
    this.#grains = layout.grains;
    this.#firstSlice = firstSlice;
    this.slices = tables.length * this.#slicesPerTable;
    this.#empty = emptySlices(tables, this.#slicesPerTable);
    this.#classify =
      layout.type === 'seSparse'
        ? (word) => this.#classifyWide(word)
        : (word) => this.#classifyPlain(word);
  }

  map(offset: number, length: number, extent: Extent): void {
    const slice = Math.floor(offset / this.#sliceCoverage);
    if (this.#goOn(slice, offset, length, extent)) {
      extent.kind = UNALLOCATED;
      extent.offset = -1;
      return;
    }
    const index = Math.floor(slice / this.#slicesPerTable);
    const table = this.#tables[index]!;
    const inSlice = offset - slice * this.#sliceCoverage;
    const rest = this.#sliceCoverage - inSlice;
    extent.length = Math.min(length, rest);
    if (table === BROKEN_TABLE) {
      extent.kind = BROKEN;
      return;
    }
    const place = this.#cache.find(this.#firstSlice + slice);
    if (place === MISSING) {
      const part = slice - index * this.#slicesPerTable;
      extent.kind = METADATA;
      extent.file = this.#file;
      extent.offset = table * VMDK_SECTOR_BYTES + part * GRAIN_SLICE_BYTES;
      extent.slice = this.#firstSlice + slice;
      return;
    }
    this.#mapGrains((place * GRAIN_SLICE_BYTES) >> 2, inSlice, extent);
    if (extent.kind !== UNALLOCATED || extent.length < rest) return;
    if (inSlice < this.#grainBytes) this.#empty.add(slice);
    this.#goOn(slice + 1, offset, length, extent);
  }

  /**
   * Has an extent from `offset` reach over the slices from one on that are known to be empty.
   *
   * @returns False if the first one is not.
   */
  #goOn(slice: number, offset: number, length: number, extent: Extent): boolean {
    const covers = this.#sliceCoverage;
    const next = this.#empty.endOf(slice, Math.ceil((offset + length) / covers));
    if (next <= slice) return false;
    extent.length = Math.min(length, next * covers - offset);
    return true;
  }

  /** Maps the grains from byte `from` of the slice on, as long as they are alike and contiguous. */
  #mapGrains(words: number, from: number, extent: Extent): void {
    const grainBytes = this.#grainBytes;
    const step = this.#entryWords;
    const first = Math.floor(from / grainBytes);
    const inGrain = from - first * grainBytes;
    this.#classify(words + first * step);
    const kind = this.#kind;
    const host = this.#host;
    extent.kind = kind;
    extent.file = this.#file;
    if (kind === COMPRESSED) {
      extent.offset = host + this.#compressedAt;
      extent.bytes = grainBytes + (grainBytes >> 3) + VMDK_SECTOR_BYTES;
      extent.skip = inGrain;
      extent.length = Math.min(extent.length, grainBytes - inGrain);
      return;
    }
    const { length } = extent;
    let covered = grainBytes - inGrain;
    for (let grain = first + 1; covered < length; grain++) {
      this.#classify(words + grain * step);
      if (this.#kind !== kind) break;
      if (this.#host !== (host < 0 ? -1 : host + (grain - first) * grainBytes)) break;
      covered += grainBytes;
    }
    extent.offset = host < 0 ? -1 : host + inGrain;
    if (covered < length) extent.length = covered;
  }

  /** Sets `#kind`, and `#host` to the offset of the grain in the file or -1. */
  #classifyPlain(at: number): void {
    const sector = this.#cache.words[at]!;
    if (sector === 0) this.#setNone(UNALLOCATED);
    else if (sector === abi.ZERO_GRAIN && this.#zeroGrains) this.#setNone(ZERO);
    else this.#setHost(sector);
  }

  /** The type is in the highest 4 bits, the 12 low bits of the number follow, then the 48 high ones. */
  #classifyWide(at: number): void {
    const low = this.#cache.words[at]!;
    const high = this.#cache.words[at + 1]!;
    const type = high >>> 28;
    if (type === abi.SE_ALLOCATED) {
      const grain = ((high >>> 16) & 0xfff) + ((high & 0xffff) * 2 ** 32 + low) * 2 ** 12;
      this.#setHost(this.#grains + grain * abi.SE_GRAIN_SECTORS);
    } else if (type === abi.SE_ZERO || type === abi.SE_UNMAPPED) this.#setNone(ZERO);
    else this.#setNone(type === abi.SE_NONE && high === 0 && low === 0 ? UNALLOCATED : BROKEN);
  }

  #setNone(kind: number): void {
    this.#kind = kind;
    this.#host = -1;
  }

  /** A grain that begins past the end of the file is lost. */
  #setHost(sector: number): void {
    const host = sector * VMDK_SECTOR_BYTES;
    if (host >= this.#hostSize) this.#setNone(BROKEN);
    else {
      this.#kind = this.#compressedAt < 0 ? DATA : COMPRESSED;
      this.#host = host;
    }
  }
}

/** Those of the tables that are missing: an empty disk of 2 TiB has 65536 of them. */
function emptySlices(tables: Uint32Array, perTable: number): EmptySlices {
  const empty = new EmptySlices(tables.length * perTable);
  for (const [table, sector] of tables.entries()) {
    if (sector !== NO_TABLE) continue;
    for (let part = 0; part < perTable; part++) empty.add(table * perTable + part);
  }
  return empty;
}
