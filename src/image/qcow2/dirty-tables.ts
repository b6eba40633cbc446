import { encodeTable } from './entries.js';
import type { QcowLayer } from './qcow-layer.js';
import { PIECE_BYTES, type Pieces } from './refcount-blocks.js';

/** New contents for pieces of L2 and L1 tables on disk. */
interface TableStage {
  slices: Pieces;
  l1: Pieces;
  /** All of it has been written; if not, it counts as changed again. */
  ended(written: boolean): void;
}

/** The parts of the L1 and L2 tables that differ from the disk. Changed slices stay in the cache. */
export class DirtyTables {
  readonly #layer: QcowLayer;
  /** 1 for an L2 table that no snapshot shares. */
  copied: Uint8Array;
  readonly #pieceBytes: number;
  /** The numbers of changed slices, by their place in the cache. */
  #places = new Map<number, number>();
  /** Changed pieces of the L1 table. */
  #l1 = new Set<number>();

  constructor(layer: QcowLayer, copied: Uint8Array) {
    this.#layer = layer;
    this.copied = copied;
    this.#pieceBytes = Math.min(PIECE_BYTES, layer.geometry.clusterBytes);
  }

  /** Number of changed slices, which keep their place in the cache until they are written. */
  get slices(): number {
    return this.#places.size;
  }

  /** An entry of the slice at `place` has changed, namely the entry for `offset` of the disk. */
  markSlice(place: number, offset: number): void {
    if (this.#places.has(place)) return;
    this.#layer.cache.pin(place);
    this.#places.set(place, Math.floor(offset / this.#layer.geometry.sliceCoverage));
  }

  markL1(index: number): void {
    this.#l1.add(Math.floor((index * 8) / this.#pieceBytes));
  }

  /** All entries from `first` on have changed. */
  markL1From(first: number): void {
    const bytes = this.#layer.l1.length * 8;
    for (let index = first; index * 8 < bytes; index += this.#pieceBytes / 8) this.markL1(index);
    this.markL1(bytes / 8 - 1);
  }

  /** Copies everything that differs from the disk, and counts it as written. */
  stage(): TableStage {
    const { layout, cache } = this.#layer;
    const { l1Offset } = layout;
    const slices = new Map<number, Uint8Array>();
    const l1 = new Map<number, Uint8Array>();
    const places = this.#places;
    const l1Pieces = this.#l1;
    for (const [place, slice] of places) slices.set(this.#sliceOffset(slice), cache.encode(place));
    for (const piece of l1Pieces) {
      const bytes = encodeTable(this.#layer.l1, piece, this.#pieceBytes, this.copied);
      l1.set(l1Offset + piece * this.#pieceBytes, bytes);
    }
    this.#places = new Map();
    this.#l1 = new Set();
    const ended = (written: boolean): void => {
      for (const [place, slice] of places) {
        if (written || this.#places.has(place)) cache.unpin(place);
        if (!written) this.#places.set(place, slice);
      }
      // A table that has moved meanwhile will be written as a whole anyway.
      if (written || layout.l1Offset !== l1Offset) return;
      for (const piece of l1Pieces) this.#l1.add(piece);
    };
    return { slices, l1, ended };
  }

  #sliceOffset(slice: number): number {
    const { slicesPerTable, sliceBytes } = this.#layer.geometry;
    const table = this.#layer.l1[Math.floor(slice / slicesPerTable)]!;
    return table + (slice % slicesPerTable) * sliceBytes;
  }
}
