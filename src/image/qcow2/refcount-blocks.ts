import { REFCOUNT_TABLE_BYTES_MAX } from './abi.js';
import type { QcowLayout } from './layout.js';
import { PieceCache } from './piece-cache.js';
import { getRefcount, setRefcount } from './refcounts.js';
import { encodeTable } from './table-pieces.js';

/** Metadata is written in pieces of this, or of a cluster where that is smaller. */
export const PIECE_BYTES = 4096;

/** Refcounts as they are to be on disk, by host offset. */
export interface RefcountStage {
  pieces: Map<number, Uint8Array>;
  /** Pieces of the refcount table: of new blocks, or all of it where the table has moved. */
  table: Map<number, Uint8Array>;
  /** The header is to point at the table. */
  moved: boolean;
  newBlocks: number[];
}

/**
 * The refcounts of an image: the table of blocks, and the blocks in pieces, as far as they are in
 * memory. Pure: `wanted` says which piece has to be read.
 */
export class RefcountBlocks {
  /** Offsets of refcount blocks, 0 for none. */
  table: Float64Array;
  tableOffset: number;
  tableClusters: number;
  /** Number of the piece that `find` did not find. */
  wanted = 0;
  /** Refcounts in a block, and in a piece of one. */
  readonly perBlock: number;
  readonly perPiece: number;

  readonly #clusterBytes: number;
  readonly #pieceBytes: number;
  readonly #order: number;
  readonly #cache: PieceCache;
  readonly #newBlocks = new Set<number>();
  /** Pieces of new blocks that nobody has asked for: zeros, on disk too. */
  readonly #untouched = new Set<number>();
  #moved = false;

  /**
   * @param table Offsets of refcount blocks.
   * @param cacheBytes Bound of what is kept in memory; small values are raised.
   */
  constructor(layout: QcowLayout, table: Float64Array, cacheBytes: number) {
    this.table = table;
    this.tableOffset = layout.refcountTableOffset;
    this.tableClusters = layout.refcountTableClusters;
    this.#clusterBytes = layout.clusterBytes;
    this.#order = layout.refcountOrder;
    this.#pieceBytes = Math.min(PIECE_BYTES, layout.clusterBytes);
    this.perBlock = (layout.clusterBytes * 8) / 2 ** layout.refcountOrder;
    this.perPiece = (this.#pieceBytes * 8) / 2 ** layout.refcountOrder;
    this.#cache = new PieceCache(cacheBytes / this.#pieceBytes);
  }

  /** Changed refcounts should be written before more are loaded. */
  get crowded(): boolean {
    return this.#cache.crowded;
  }

  /** Something differs from the disk. */
  get changed(): boolean {
    return this.#cache.hasDirty || this.#newBlocks.size > 0 || this.#moved;
  }

  /** Pieces in memory. */
  get cached(): number {
    return this.#cache.size;
  }

  pieceOf(cluster: number): number {
    return Math.floor(cluster / this.perPiece);
  }

  blockOf(cluster: number): number {
    return Math.floor(cluster / this.perBlock);
  }

  /** Host offset of a piece whose block is there. */
  offsetOf(piece: number): number {
    const perBlock = this.#clusterBytes / this.#pieceBytes;
    return this.table[Math.floor(piece / perBlock)]! + (piece % perBlock) * this.#pieceBytes;
  }

  get pieceBytes(): number {
    return this.#pieceBytes;
  }

  /** A piece of a block that is there; if it has to be read first, undefined and `wanted`. */
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

  /** A refcount of a piece that `find` found. */
  get(bytes: Uint8Array, cluster: number): number {
    return getRefcount(bytes, cluster % this.perPiece, this.#order);
  }

  /** Sets one of a piece that `find` found. */
  set(bytes: Uint8Array, cluster: number, value: number): void {
    setRefcount(bytes, cluster % this.perPiece, this.#order, value);
    this.#cache.markDirty(this.pieceOf(cluster));
  }

  /**
   * A new block at `cluster`, which nobody counts yet.
   * @param zeroed The host reads zeros there; otherwise all of it is to be written.
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
   * Clusters of a table that lies at `start` and counts all clusters up to itself, with the blocks
   * that count it, and half as many again; 0 if it would be larger than a table may be.
   */
  tableClustersAt(start: number): number {
    const perCluster = this.#clusterBytes / 8;
    const most = REFCOUNT_TABLE_BYTES_MAX / this.#clusterBytes;
    // A block is made for every `perBlock` clusters of the table, and some for the blocks themselves.
    const end = (clusters: number): number =>
      start + clusters + Math.ceil((clusters * 1.1) / this.perBlock) + 3;
    const fits = (clusters: number): boolean =>
      clusters * perCluster >= Math.ceil(end(clusters) / this.perBlock);
    let clusters = Math.min(most, Math.ceil(this.tableClusters * 1.5));
    while (clusters < most && !fits(clusters)) clusters = Math.min(most, clusters * 2);
    return fits(clusters) ? clusters : 0;
  }

  /** The table goes on in new clusters from `start` on, which nobody counts yet. */
  moveTable(start: number, clusters: number): void {
    const table = new Float64Array((clusters * this.#clusterBytes) / 8);
    table.set(this.table);
    this.table = table;
    this.tableOffset = start * this.#clusterBytes;
    this.tableClusters = clusters;
    this.#moved = true;
  }

  /** Copies all pieces that differ from the disk, by host offset; they count as being written. */
  stagePieces(): Map<number, Uint8Array> {
    const pieces = new Map<number, Uint8Array>();
    for (const [piece, bytes] of this.#cache.stage()) pieces.set(this.offsetOf(piece), bytes);
    return pieces;
  }

  /** The same with the table. */
  stage(): RefcountStage {
    const newBlocks = [...this.#newBlocks];
    const stage = { pieces: this.stagePieces(), table: new Map(), moved: this.#moved, newBlocks };
    const perPiece = this.#pieceBytes / 8;
    const changed = new Set(newBlocks.map((block) => Math.floor(block / perPiece)));
    if (this.#moved) for (let i = 0; i * perPiece < this.table.length; i++) changed.add(i);
    for (const piece of changed) {
      const bytes = encodeTable(this.table, piece, this.#pieceBytes, null);
      stage.table.set(this.tableOffset + piece * this.#pieceBytes, bytes);
    }
    this.#newBlocks.clear();
    this.#moved = false;
    return stage;
  }

  /** A stage without refcounts: they stay as changed as they are. */
  stageNothing(): RefcountStage {
    return { pieces: new Map(), table: new Map(), moved: false, newBlocks: [] };
  }

  /** What was staged is on disk. */
  staged(): void {
    this.#cache.staged();
  }

  /** The pieces that were staged could not be written: they are to be written again. */
  restorePieces(): void {
    this.#cache.restore();
  }

  /** The same for a whole stage. */
  restore(stage: RefcountStage): void {
    this.restorePieces();
    for (const block of stage.newBlocks) this.#newBlocks.add(block);
    this.#moved ||= stage.moved;
  }
}
