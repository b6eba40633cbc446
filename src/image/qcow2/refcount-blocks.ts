import { REFCOUNT_TABLE_BYTES_MAX } from './abi.js';
import { encodeTable } from './entries.js';
import { type QcowLayout, refcountsPerBlock } from './layout.js';
import { PieceCache } from './piece-cache.js';
import { getRefcount, setRefcount } from './refcounts.js';

/** Metadata is written in pieces of this size, or of a cluster if that is smaller. */
export const PIECE_BYTES = 4096;

/** New contents for pieces of metadata on disk, by host offset. */
export type Pieces = ReadonlyMap<number, Uint8Array>;

/** New contents for refcounts on disk. */
export interface RefcountStage {
  pieces: Pieces;
  /** Pieces of the refcount table: those with new blocks, or all pieces if the table has moved. */
  table: Pieces;
  /** The table has moved, so the header must be written too. */
  moved: boolean;
  /** All of it has been written; if not, it counts as changed again. */
  ended(written: boolean): void;
}

/** A stage without refcounts: changed ones stay changed. */
export const NO_REFCOUNTS: RefcountStage = {
  pieces: new Map(),
  table: new Map(),
  moved: false,
  ended: () => {},
};

/**
 * The refcounts of an image: the whole table of blocks, and the blocks in pieces, some of which are in
 * memory. Pure: `wanted` says which piece must be read.
 */
export class RefcountBlocks {
  /** Offsets of refcount blocks, 0 for none. */
  table: Float64Array;
  tableOffset: number;
  tableClusters: number;
  /** Number of the piece that `find` missed. */
  wanted = 0;
  /** Number of refcounts in a block, and in a piece of a block. */
  readonly perBlock: number;
  readonly perPiece: number;

  readonly #clusterBytes: number;
  readonly #pieceBytes: number;
  readonly #order: number;
  readonly #cache: PieceCache;
  readonly #newBlocks = new Set<number>();
  /** Pieces of new blocks that were not used yet. They are zeros, on disk too. */
  readonly #untouched = new Set<number>();
  #moved = false;

  /**
   * @param table Offsets of refcount blocks.
   * @param cacheBytes Bound of the pieces in memory; small values are raised.
   */
  constructor(layout: QcowLayout, table: Float64Array, cacheBytes: number) {
    this.table = table;
    this.tableOffset = layout.refcountTableOffset;
    this.tableClusters = layout.refcountTableClusters;
    this.#clusterBytes = layout.clusterBytes;
    this.#order = layout.refcountOrder;
    this.#pieceBytes = Math.min(PIECE_BYTES, layout.clusterBytes);
    this.perBlock = refcountsPerBlock(layout);
    this.perPiece = (this.#pieceBytes * 8) / 2 ** layout.refcountOrder;
    this.#cache = new PieceCache(cacheBytes / this.#pieceBytes);
  }

  /** Many refcounts have changed: they should be written before more are loaded. */
  get crowded(): boolean {
    return this.#cache.crowded;
  }

  /** Refcounts or the table differ from the disk. */
  get changed(): boolean {
    return this.#cache.hasDirty || this.#newBlocks.size > 0 || this.#moved;
  }

  /** Number of pieces in memory. */
  get cached(): number {
    return this.#cache.size;
  }

  pieceOf(cluster: number): number {
    return Math.floor(cluster / this.perPiece);
  }

  blockOf(cluster: number): number {
    return Math.floor(cluster / this.perBlock);
  }

  /** Host offset of a piece whose block exists. */
  offsetOf(piece: number): number {
    const perBlock = this.#clusterBytes / this.#pieceBytes;
    return this.table[Math.floor(piece / perBlock)]! + (piece % perBlock) * this.#pieceBytes;
  }

  get pieceBytes(): number {
    return this.#pieceBytes;
  }

  /** A piece of a block that exists. If it must be read first: undefined, and `wanted` is set. */
  find(piece: number): Uint8Array | undefined {
    const bytes = this.#cache.get(piece);
    if (bytes !== undefined) return bytes;
    if (this.#untouched.delete(piece)) {
      this.#cache.add(piece, new Uint8Array(this.#pieceBytes));
      return this.#cache.get(piece);
    }
    this.wanted = piece;
    return undefined;
  }

  /** The piece `wanted` has been read. */
  loaded(piece: number, bytes: Uint8Array): void {
    this.#cache.add(piece, bytes);
  }

  /** A refcount in a piece returned by `find`. */
  get(bytes: Uint8Array, cluster: number): number {
    return getRefcount(bytes, cluster % this.perPiece, this.#order);
  }

  /** Sets a refcount in a piece returned by `find`. */
  set(bytes: Uint8Array, cluster: number, value: number): void {
    setRefcount(bytes, cluster % this.perPiece, this.#order, value);
    this.#cache.markDirty(this.pieceOf(cluster));
  }

  /**
   * Adds a new block at `cluster`, whose own refcount the caller must set.
   * @param zeroed The host reads zeros there; otherwise the whole block must be written.
   */
  addBlock(index: number, cluster: number, zeroed: boolean): void {
    this.table[index] = cluster * this.#clusterBytes;
    this.#newBlocks.add(index);
    const perBlock = this.#clusterBytes / this.#pieceBytes;
    for (let piece = index * perBlock; piece < (index + 1) * perBlock; piece++) {
      this.#untouched.add(piece);
      if (zeroed) continue;
      this.find(piece);
      this.#cache.markDirty(piece);
    }
  }

  /**
   * Number of clusters of a table at `start` that can count all clusters up to its own end and the blocks
   * that count it, and half as many again; 0 if that is more than a table may have.
   */
  tableClustersAt(start: number): number {
    const perCluster = this.#clusterBytes / 8;
    const most = REFCOUNT_TABLE_BYTES_MAX / this.#clusterBytes;
    // Each `perBlock` clusters of the table need a block, and these blocks need some more.
    const end = (clusters: number): number =>
      start + clusters + Math.ceil((clusters * 1.1) / this.perBlock) + 3;
    const fits = (clusters: number): boolean =>
      clusters * perCluster >= Math.ceil(end(clusters) / this.perBlock);
    let clusters = Math.min(most, Math.ceil(this.tableClusters * 1.5));
    while (clusters < most && !fits(clusters)) clusters = Math.min(most, clusters * 2);
    return fits(clusters) ? clusters : 0;
  }

  /** Moves the table to new clusters from `start` on, whose refcounts the caller must set. */
  moveTable(start: number, clusters: number): void {
    const table = new Float64Array((clusters * this.#clusterBytes) / 8);
    table.set(this.table);
    this.table = table;
    this.tableOffset = start * this.#clusterBytes;
    this.tableClusters = clusters;
    this.#moved = true;
  }

  /** Copies all changed pieces, which count as being written until `piecesEnded`. */
  stagePieces(): Pieces {
    const pieces = new Map<number, Uint8Array>();
    for (const [piece, bytes] of this.#cache.stage()) pieces.set(this.offsetOf(piece), bytes);
    return pieces;
  }

  /** Copies the changed pieces and the changed parts of the table. */
  stage(): RefcountStage {
    const pieces = this.stagePieces();
    const newBlocks = [...this.#newBlocks];
    const moved = this.#moved;
    const perPiece = this.#pieceBytes / 8;
    const changed = new Set(newBlocks.map((block) => Math.floor(block / perPiece)));
    if (moved) for (let i = 0; i * perPiece < this.table.length; i++) changed.add(i);
    const table = new Map<number, Uint8Array>();
    for (const piece of changed) {
      const bytes = encodeTable(this.table, piece, this.#pieceBytes, null);
      table.set(this.tableOffset + piece * this.#pieceBytes, bytes);
    }
    this.#newBlocks.clear();
    this.#moved = false;
    const ended = (written: boolean): void => {
      this.piecesEnded(written);
      if (written) return;
      for (const block of newBlocks) this.#newBlocks.add(block);
      this.#moved ||= moved;
    };
    return { pieces, table, moved, ended };
  }

  /** The pieces of `stagePieces` have been written; if not, they count as changed again. */
  piecesEnded(written: boolean): void {
    this.#cache.ended(written);
  }
}
