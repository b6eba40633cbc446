import { encodeTable } from './entries.js';
import type { QcowLayer } from './qcow-layer.js';
import { PIECE_BYTES } from './refcount-blocks.js';

/** New contents for pieces of L2 and L1 tables on disk, by host offset. */
export interface TableStage {
  slices: Map<number, Uint8Array>;
  l1: Map<number, Uint8Array>;
  /** Host offset of the L1 table. */
  l1Offset: number;
  /** The numbers of the slices, by their place in the cache. */
  places: ReadonlyMap<number, number>;
}

/** The parts of the L1 and L2 tables that differ from the disk. Changed slices stay in the cache. */
export class DirtyTables {
  readonly #layer: QcowLayer;
  /** 1 for an L2 table that no snapshot shares. */
  copied: Uint8Array;
  readonly #pieceBytes: number;
  #places = new Map<number, number>();
  readonly #l1 = new Set<number>();

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
    const { l1, layout, cache } = this.#layer;
    const { l1Offset } = layout;
    const stage: TableStage = { slices: new Map(), l1: new Map(), l1Offset, places: this.#places };
    for (const [place, slice] of this.#places) {
      stage.slices.set(this.#sliceOffset(slice), cache.encode(place));
    }
    for (const piece of this.#l1) {
      const bytes = encodeTable(l1, piece, this.#pieceBytes, this.copied);
      stage.l1.set(l1Offset + piece * this.#pieceBytes, bytes);
    }
    this.#places = new Map();
    this.#l1.clear();
    return stage;
  }

  /** The stage has been written. */
  staged(stage: TableStage): void {
    for (const place of stage.places.keys()) this.#layer.cache.unpin(place);
  }

  /** The stage could not be written: its parts count as changed again. */
  restore(stage: TableStage): void {
    for (const [place, slice] of stage.places) {
      if (this.#places.has(place)) this.#layer.cache.unpin(place);
      this.#places.set(place, slice);
    }
    const { l1Offset } = this.#layer.layout;
    // A table that has moved meanwhile will be written as a whole anyway.
    if (stage.l1Offset !== l1Offset) return;
    for (const offset of stage.l1.keys()) this.#l1.add((offset - l1Offset) / this.#pieceBytes);
  }

  #sliceOffset(slice: number): number {
    const { slicesPerTable, sliceBytes } = this.#layer.geometry;
    const table = this.#layer.l1[Math.floor(slice / slicesPerTable)]!;
    return table + (slice % slicesPerTable) * sliceBytes;
  }
}
