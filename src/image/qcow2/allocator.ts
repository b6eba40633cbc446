import type { QcowLayout } from './layout.js';
import { getRefcount, setRefcount } from './refcounts.js';

/** The refcount table is full: the image cannot grow. */
export const TABLE_FULL = -1;
/** The refcount block `Allocator.wanted` must be loaded first. */
export const NEEDS_BLOCK = -2;

/** Metadata is written in pieces of this, or of a cluster where that is smaller. */
export const PIECE_BYTES = 4096;

/**
 * Gives out clusters behind the end of an image's file, and keeps refcounts. Pure: it says which
 * refcount block it lacks, and which pieces of which blocks are to be written.
 *
 * A cluster behind the end has never been used, so the host reads zeros there: what a new cluster
 * does not get written is zeros.
 */
export class Allocator {
  /** Offsets of refcount blocks, 0 for none. */
  readonly table: Float64Array;
  /** Number of the block that NEEDS_BLOCK is about. */
  wanted = 0;
  /** Numbers of new blocks that the table on disk does not have yet. */
  readonly newBlocks = new Set<number>();
  /** Host offsets of pieces of blocks that differ from the disk. */
  readonly dirty = new Set<number>();

  readonly #clusterBytes: number;
  readonly #order: number;
  readonly #perBlock: number;
  readonly #blocks = new Map<number, Uint8Array>();
  readonly #metadata: Set<number>;
  #next: number;

  /**
   * @param table Offsets of refcount blocks.
   * @param hostSize Size of the image's file, bytes.
   * @param metadata Clusters that hold metadata; new refcount blocks are added.
   */
  constructor(layout: QcowLayout, table: Float64Array, hostSize: number, metadata: Set<number>) {
    this.table = table;
    this.#clusterBytes = layout.clusterBytes;
    this.#order = layout.refcountOrder;
    this.#perBlock = (layout.clusterBytes * 8) / 2 ** layout.refcountOrder;
    this.#metadata = metadata;
    this.#next = Math.ceil(hostSize / layout.clusterBytes);
  }

  /** Host offset of a cluster with refcount 1 that was never used, NEEDS_BLOCK or TABLE_FULL. */
  allocate(): number {
    for (;;) {
      const index = Math.floor(this.#next / this.#perBlock);
      if (index >= this.table.length) return TABLE_FULL;
      const block = this.#blocks.get(index) ?? this.#addBlock(index);
      if (block === undefined) {
        this.wanted = index;
        return NEEDS_BLOCK;
      }
      const cluster = this.#next;
      if (Math.floor(cluster / this.#perBlock) !== index) continue;
      this.#next++;
      // Refcounts behind the end of the file: somebody's leak.
      if (getRefcount(block, cluster % this.#perBlock, this.#order) !== 0) continue;
      this.#set(index, block, cluster, 1);
      return cluster * this.#clusterBytes;
    }
  }

  /** Takes one from the refcount of the cluster at `offset`. NEEDS_BLOCK, or 0. */
  decrement(offset: number): number {
    const cluster = Math.floor(offset / this.#clusterBytes);
    const index = Math.floor(cluster / this.#perBlock);
    if (index >= this.table.length || this.table[index] === 0) return 0;
    const block = this.#blocks.get(index);
    if (block === undefined) {
      this.wanted = index;
      return NEEDS_BLOCK;
    }
    const count = getRefcount(block, cluster % this.#perBlock, this.#order);
    if (count > 0) this.#set(index, block, cluster, count - 1);
    return 0;
  }

  /** Where the clusters that were given out end. */
  get end(): number {
    return this.#next * this.#clusterBytes;
  }

  /** The block `wanted` has been read. */
  loaded(index: number, block: Uint8Array): void {
    if (!this.#blocks.has(index)) this.#blocks.set(index, block);
  }

  /** Bytes of the piece at a host offset in `dirty`. Borrowed. */
  piece(offset: number): Uint8Array {
    const cluster = offset - (offset % this.#clusterBytes);
    const block = this.#blocks.get(this.table.indexOf(cluster))!;
    const at = offset - cluster;
    return block.subarray(at, at + Math.min(PIECE_BYTES, this.#clusterBytes));
  }

  /** A block that is not there yet describes itself: it is the first cluster that it counts. */
  #addBlock(index: number): Uint8Array | undefined {
    if (this.table[index] !== 0) return undefined;
    const cluster = this.#next++;
    const block = new Uint8Array(this.#clusterBytes);
    this.#blocks.set(index, block);
    this.table[index] = cluster * this.#clusterBytes;
    this.newBlocks.add(index);
    this.#metadata.add(cluster);
    this.#set(index, block, cluster, 1);
    return block;
  }

  #set(index: number, block: Uint8Array, cluster: number, value: number): void {
    const within = cluster % this.#perBlock;
    setRefcount(block, within, this.#order, value);
    const byte = Math.floor((within * 2 ** this.#order) / 8);
    this.dirty.add(this.table[index]! + byte - (byte % Math.min(PIECE_BYTES, this.#clusterBytes)));
  }
}
