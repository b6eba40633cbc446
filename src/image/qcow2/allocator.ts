import type { ChangeLog } from './change-log.js';
import type { QcowLayout } from './layout.js';
import { RefcountBlocks } from './refcount-blocks.js';

/** Host offsets of clusters that lose a reference once the tables without it are on disk. */
export interface Released {
  data: number[];
  /** Of L1, L2 and refcount tables. */
  tables: number[];
}

/** The refcount table has its largest size, or the block device is full. */
export const TABLE_FULL = -1;
/** The caller must first load the piece of refcounts `Allocator.blocks.wanted`. */
export const NEEDS_PIECE = -2;

const NOTHING_FREE = -3;
/** The caller must first reserve room on the host at `Allocator.wantedRoom`: see `reservesRoom`. */
export const NEEDS_ROOM = -4;

/**
 * An allocation searches this many pieces of refcounts for a free cluster before it takes one at the
 * end of the file. So the first write to a large image does not wait until all pieces have been read.
 */
const PIECES_A_TIME = 4;

/**
 * Allocates clusters and keeps refcounts. Pure: if it lacks a piece of the refcounts it says which one.
 *
 * A cluster past the end of the file was never used. It reads as zeros from the host, so in a `fresh`
 * cluster unwritten bytes are zeros. A reused cluster still has its old contents.
 */
export class Allocator {
  readonly blocks: RefcountBlocks;
  /** The cluster allocated last was never used: it reads as zeros. */
  fresh = true;
  /**
   * A refcount block is made only where the host has reserved room for it. Blocks are written by the next
   * flush; without the room that flush could fail on a full disk, after writes were acknowledged.
   */
  reservesRoom = false;
  /** Host offset of the cluster for which NEEDS_ROOM asks. A cluster for data follows it. */
  wantedRoom = 0;
  #roomAt = -1;
  released: Released = { data: [], tables: [] };
  readonly #log: ChangeLog | null;

  readonly clusterBytes: number;
  /** Number of clusters for which the host has room. */
  readonly #limit: number;
  readonly #metadata: Set<number>;
  /** From this cluster on the host reads zeros. */
  #freshFrom: number;
  /** The cluster after the last allocated one. */
  #next: number;

  // The search for free clusters: first the pieces in which clusters were freed, then each piece that
  // existed when the image was opened.
  readonly #reopened = new Set<number>();
  #unseen = 0;
  readonly #unseenEnd: number;
  #budget = PIECES_A_TIME;
  /** The piece being searched; -1: none. */
  #looking = -1;
  /** The cluster at which the search goes on. */
  #from = 0;

  /**
   * @param table Offsets of refcount blocks.
   * @param hostSize Size of the image's file, bytes.
   * @param metadata Clusters that hold metadata. They are never allocated; new ones are added.
   * @param cacheBytes Bound of the refcounts in memory.
   * @param deviceEnd On a block device, the end of the clusters in use, bytes; `hostSize` is then the
   *   size of the device. A device does not grow and has arbitrary bytes past that end.
   * @param log The redo log that changes of refcounts are told to; null: the image has none.
   */
  constructor(
    layout: QcowLayout,
    table: Float64Array,
    hostSize: number,
    metadata: Set<number>,
    cacheBytes: number,
    deviceEnd: number | null = null,
    log: ChangeLog | null = null,
  ) {
    this.#log = log;
    this.blocks = new RefcountBlocks(layout, table, cacheBytes);
    this.clusterBytes = layout.clusterBytes;
    this.#metadata = metadata;
    this.#next = Math.ceil((deviceEnd ?? hostSize) / layout.clusterBytes);
    const isFile = deviceEnd === null;
    this.#freshFrom = isFile ? this.#next : Number.POSITIVE_INFINITY;
    this.#limit = isFile ? Number.POSITIVE_INFINITY : Math.floor(hostSize / layout.clusterBytes);
    this.#unseenEnd = Math.ceil(this.#next / this.blocks.perPiece);
  }

  /** Host offset of a new cluster, whose refcount is now 1; or NEEDS_PIECE, NEEDS_ROOM, TABLE_FULL. */
  allocate(): number {
    for (;;) {
      const reused = this.#reuse();
      if (reused !== NOTHING_FREE) return reused;
      const host = this.#extend();
      // Pieces that have not been searched yet may have free clusters.
      if (host !== TABLE_FULL || this.#unseen >= this.#unseenEnd) return host;
      this.#budget = PIECES_A_TIME;
    }
  }

  /**
   * Makes the refcount blocks for the next `count` clusters at the end, so that no block comes to lie
   * among these clusters. 0, NEEDS_PIECE or TABLE_FULL.
   */
  reserve(count: number): number {
    const { blocks } = this;
    for (;;) {
      const first = blocks.blockOf(this.#next);
      const last = blocks.blockOf(this.#next + count - 1);
      if (last >= blocks.table.length) {
        // The larger table is placed past the range that the present table can count.
        this.#next = Math.max(this.#next, blocks.table.length * blocks.perBlock);
        if (!this.#growTable()) return TABLE_FULL;
        continue;
      }
      // Room for the clusters and for their blocks.
      if (!this.#hasRoom(count + last - first + 1)) return TABLE_FULL;
      let missing = first;
      while (missing <= last && blocks.table[missing] !== 0) missing++;
      if (missing > last) return 0;
      if (missing > first) {
        const piece = blocks.find(blocks.pieceOf(this.#next));
        if (piece === undefined) return NEEDS_PIECE;
        if (blocks.get(piece, this.#next) !== 0) {
          this.#next++;
          continue;
        }
      }
      this.#addBlock(missing);
    }
  }

  /** Like `allocate`, but always at the end. After `reserve` the clusters are consecutive. */
  allocateNext(): number {
    return this.#extend();
  }

  /**
   * Decrements the refcount of the cluster at `offset`.
   * @param isTable The cluster held a table. If false, a cluster of metadata keeps its refcount: only a
   *   broken image refers to metadata as data.
   * @returns NEEDS_PIECE, or 0.
   */
  decrement(offset: number, isTable: boolean): number {
    const { blocks } = this;
    const cluster = Math.floor(offset / this.clusterBytes);
    const index = blocks.blockOf(cluster);
    if (index >= blocks.table.length || blocks.table[index] === 0) return 0;
    if (!isTable && this.#metadata.has(cluster)) return 0;
    const piece = blocks.pieceOf(cluster);
    const bytes = blocks.find(piece);
    if (bytes === undefined) return NEEDS_PIECE;
    const count = blocks.get(bytes, cluster);
    if (count === 0) return 0;
    blocks.set(bytes, cluster, count - 1);
    this.#log?.refcount(cluster, count - 1);
    if (count > 1) return 0;
    if (isTable) this.#metadata.delete(cluster);
    // Past the end and yet in use: it may have been written, so it does not read as zeros.
    if (cluster >= this.#next) this.#freshFrom = Math.max(this.#freshFrom, cluster + 1);
    if (piece === this.#looking) this.#from = Math.min(this.#from, cluster);
    else this.#reopened.add(piece);
    return 0;
  }

  /**
   * Takes back an allocated cluster to which nothing refers, in memory or on disk, because a write to it
   * failed. It may have any contents. If its refcount is not in memory, the next flush frees it.
   */
  free(offset: number): void {
    const cluster = offset / this.clusterBytes;
    if (this.decrement(offset, false) === NEEDS_PIECE) this.release(offset, false);
    else if (cluster === this.#next - 1) {
      this.#next = cluster;
      this.#freshFrom = Math.max(this.#freshFrom, cluster + 1);
    }
  }

  /** The cluster at `offset` loses a reference once the next stage is on disk. @param isTable It held a table. */
  release(offset: number, isTable: boolean): void {
    (isTable ? this.released.tables : this.released.data).push(offset);
    this.#log?.released(offset, isTable);
  }

  /** The clusters to pass to `decrement` once the next stage is on disk. */
  takeReleased(): Released {
    const { released } = this;
    this.released = { data: [], tables: [] };
    return released;
  }

  /** That of an earlier process, of which the log tells already. */
  adoptReleased(released: Released): void {
    this.putBack(released);
    for (const offset of released.data) this.#log?.adopt(offset, false);
    for (const offset of released.tables) this.#log?.adopt(offset, true);
  }

  /** The stage after `takeReleased` could not be written. */
  putBack({ data, tables }: Released): void {
    // Not as arguments of push: they may be a million.
    this.released.data = this.released.data.concat(data);
    this.released.tables.push(...tables);
  }

  /** The refcount of a cluster, 0 if there is no block for it; or NEEDS_PIECE. */
  refcountOf(cluster: number): number {
    const { blocks } = this;
    const index = blocks.blockOf(cluster);
    if (index >= blocks.table.length || blocks.table[index] === 0) return 0;
    const bytes = blocks.find(blocks.pieceOf(cluster));
    return bytes === undefined ? NEEDS_PIECE : blocks.get(bytes, cluster);
  }

  /** A cluster past the end of the file is in use: later allocations take clusters after it. */
  extendTo(cluster: number): void {
    this.#next = Math.max(this.#next, cluster + 1);
  }

  /** The host has reserved room at `wantedRoom`. */
  roomMade(): void {
    this.#roomAt = this.wantedRoom;
  }

  /** A refcount that a log tells of. NEEDS_PIECE or 0. */
  redoRefcount(cluster: number, value: number): number {
    const { blocks } = this;
    const bytes = blocks.find(blocks.pieceOf(cluster));
    if (bytes === undefined) return NEEDS_PIECE;
    blocks.set(bytes, cluster, value);
    if (value > 0) this.extendTo(cluster);
    return 0;
  }

  /** A refcount block that a log tells of. Its refcounts come behind it. */
  redoBlock(index: number, cluster: number): void {
    this.blocks.addBlock(index, cluster, false);
    this.#metadata.add(cluster);
  }

  /** A refcount table that a log tells of. It may be there already. */
  redoTable(cluster: number, clusters: number): void {
    if (clusters <= this.blocks.tableClusters) return;
    this.blocks.moveTable(cluster, clusters);
    for (let i = 0; i < clusters; i++) this.#metadata.add(cluster + i);
  }

  /** The end of the allocated clusters, bytes. */
  get end(): number {
    return this.#next * this.clusterBytes;
  }

  /** A free cluster before the end: one that was freed, or one that was never used. */
  #reuse(): number {
    const { blocks } = this;
    while (this.#look()) {
      const bytes = blocks.find(this.#looking);
      if (bytes === undefined) return NEEDS_PIECE;
      const end = Math.min((this.#looking + 1) * blocks.perPiece, this.#next);
      for (let cluster = this.#from; cluster < end; cluster++) {
        if (blocks.get(bytes, cluster) !== 0 || this.#metadata.has(cluster)) continue;
        this.#from = cluster + 1;
        this.fresh = false;
        blocks.set(bytes, cluster, 1);
        this.#log?.allocated(cluster);
        return cluster * this.clusterBytes;
      }
      this.#looking = -1;
    }
    return NOTHING_FREE;
  }

  /** Chooses a piece to search; false if there is none, or if enough were searched for now. */
  #look(): boolean {
    const { blocks } = this;
    if (this.#looking >= 0) return true;
    for (const piece of this.#reopened) {
      this.#reopened.delete(piece);
      return this.#lookInto(piece);
    }
    while (this.#unseen < this.#unseenEnd && this.#budget > 0) {
      const index = blocks.blockOf(this.#unseen * blocks.perPiece);
      if (index < blocks.table.length && blocks.table[index] !== 0) {
        this.#budget--;
        return this.#lookInto(this.#unseen++);
      }
      // A part of the file without a refcount block. This is rare, and such clusters are not used.
      const next = index < blocks.table.length ? (index + 1) * blocks.perBlock : this.#next;
      this.#unseen = Math.ceil(next / blocks.perPiece);
    }
    return false;
  }

  #lookInto(piece: number): true {
    this.#looking = piece;
    this.#from = piece * this.blocks.perPiece;
    return true;
  }

  /** Allocates a cluster at the end. */
  #extend(): number {
    const { blocks } = this;
    for (;;) {
      const cluster = this.#next;
      const index = blocks.blockOf(cluster);
      if (!this.#hasRoom(1)) return TABLE_FULL;
      if (index >= blocks.table.length) {
        if (!this.#growTable()) return TABLE_FULL;
      } else if (blocks.table[index] === 0) {
        // A block is useless if no room is left for a cluster that it counts.
        if (!this.#hasRoom(2)) return TABLE_FULL;
        this.wantedRoom = cluster * this.clusterBytes;
        if (this.reservesRoom && this.#roomAt !== this.wantedRoom) return NEEDS_ROOM;
        this.#addBlock(index);
      } else {
        const bytes = blocks.find(blocks.pieceOf(cluster));
        if (bytes === undefined) return NEEDS_PIECE;
        this.#next++;
        // A refcount past the end of the file: another program has leaked this cluster.
        if (blocks.get(bytes, cluster) !== 0) continue;
        blocks.set(bytes, cluster, 1);
        this.#log?.allocated(cluster);
        this.#budget = PIECES_A_TIME;
        this.fresh = cluster >= this.#freshFrom;
        return cluster * this.clusterBytes;
      }
    }
  }

  #hasRoom(clusters: number): boolean {
    return this.#next + clusters <= this.#limit;
  }

  /** Makes a missing block at the end. It may itself be the first cluster that it counts. */
  #addBlock(index: number): void {
    const cluster = this.#next++;
    this.blocks.addBlock(index, cluster, cluster >= this.#freshFrom);
    this.#log?.block(index, cluster);
    this.#countNew(cluster);
    this.#log?.counted(cluster, 1);
  }

  /**
   * Makes a larger table at the end. The old table has no entries for the blocks that count this range,
   * so all these blocks are new as well.
   */
  #growTable(): boolean {
    const { blocks } = this;
    const start = this.#next;
    const clusters = blocks.tableClustersAt(start);
    // Room for the table and for the blocks that count it.
    if (clusters === 0 || !this.#hasRoom(clusters + Math.ceil(clusters / 8) + 4)) return false;
    const { tableOffset, tableClusters } = blocks;
    for (let i = 0; i < tableClusters; i++) {
      this.release(tableOffset + i * this.clusterBytes, true);
    }
    blocks.moveTable(start, clusters);
    this.#log?.tableMoved(start, clusters);
    this.#next += clusters;
    for (let cluster = start; cluster < start + clusters; cluster++) this.#countNew(cluster);
    this.#log?.counted(start, clusters);
    return true;
  }

  /** Counts a new cluster of metadata past the range of the blocks on disk. */
  #countNew(cluster: number): void {
    const { blocks } = this;
    const index = blocks.blockOf(cluster);
    if (blocks.table[index] === 0) this.#addBlock(index);
    this.#metadata.add(cluster);
    blocks.set(blocks.find(blocks.pieceOf(cluster))!, cluster, 1);
  }
}
