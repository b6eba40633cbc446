import type { QcowLayout } from './layout.js';
import { RefcountBlocks } from './refcount-blocks.js';

/** The refcount table is as large as it may be, or the block device is full. */
export const TABLE_FULL = -1;
/** The piece of refcounts `Allocator.blocks.wanted` must be loaded first. */
export const NEEDS_PIECE = -2;

const NOTHING_FREE = -3;
/** The host must be asked for room at `Allocator.wantedRoom` first: see `reservesRoom`. */
export const NEEDS_ROOM = -4;

/**
 * Pieces of refcounts of which an allocation looks through for free clusters before it takes one
 * behind the end: so the first write to a large image does not wait for all of them to be read.
 */
const PIECES_A_TIME = 4;

/**
 * Gives out clusters and keeps refcounts. Pure: it says which piece of the refcounts it lacks.
 *
 * A cluster behind the end of the file has never been used, so the host reads zeros there: what a
 * `fresh` cluster does not get written is zeros. One that was used before holds what it held.
 */
export class Allocator {
  readonly blocks: RefcountBlocks;
  /** The cluster that was given out last was never used: it reads as zeros. */
  fresh = true;
  /**
   * A refcount block is made only where the host has room for it already. Blocks are written with the
   * next flush; on a full disk that would fail, after writes were acknowledged.
   */
  reservesRoom = false;
  /** Host offset of the cluster that NEEDS_ROOM is about; it is followed by one for data. */
  wantedRoom = 0;
  #roomAt = -1;
  /** Host offsets of clusters of tables that were replaced: see `QcowWriter.takeReleased`. */
  releasedTables: number[] = [];

  /** Bytes of a cluster. */
  readonly clusterBytes: number;
  /** Clusters that the host has room for. */
  readonly #limit: number;
  readonly #metadata: Set<number>;
  /** Clusters from here on are zeros on the host. */
  #freshFrom: number;
  /** The first cluster behind all that were given out. */
  #next: number;

  // The search for free clusters: pieces that got some, then each piece that was there at first.
  readonly #reopened = new Set<number>();
  #unseen = 0;
  readonly #unseenEnd: number;
  #budget = PIECES_A_TIME;
  /** The piece that is being looked through, -1 for none, and the cluster from which on. */
  #looking = -1;
  #from = 0;

  /**
   * @param table Offsets of refcount blocks.
   * @param hostSize Size of the image's file, bytes.
   * @param metadata Clusters that hold metadata, never given out; new ones are added.
   * @param cacheBytes Bound of the refcounts in memory.
   * @param deviceEnd On a block device, which does not grow and holds anything: where the clusters in
   *   use end, bytes. `hostSize` is its size.
   */
  constructor(
    layout: QcowLayout,
    table: Float64Array,
    hostSize: number,
    metadata: Set<number>,
    cacheBytes: number,
    deviceEnd: number | null = null,
  ) {
    this.blocks = new RefcountBlocks(layout, table, cacheBytes);
    this.clusterBytes = layout.clusterBytes;
    this.#metadata = metadata;
    this.#next = Math.ceil((deviceEnd ?? hostSize) / layout.clusterBytes);
    const isFile = deviceEnd === null;
    this.#freshFrom = isFile ? this.#next : Number.POSITIVE_INFINITY;
    this.#limit = isFile ? Number.POSITIVE_INFINITY : Math.floor(hostSize / layout.clusterBytes);
    this.#unseenEnd = Math.ceil(this.#next / this.blocks.perPiece);
  }

  /** Host offset of a cluster that is now in use once; NEEDS_PIECE or TABLE_FULL. */
  allocate(): number {
    for (;;) {
      const reused = this.#reuse();
      if (reused !== NOTHING_FREE) return reused;
      const host = this.#extend();
      // There may be free ones where nobody has looked yet.
      if (host !== TABLE_FULL || this.#unseen >= this.#unseenEnd) return host;
      this.#budget = PIECES_A_TIME;
    }
  }

  /**
   * Makes refcount blocks for the next `count` clusters behind the end, so that none of them comes to
   * lie amid a row of clusters. 0, NEEDS_PIECE or TABLE_FULL.
   */
  reserve(count: number): number {
    const { blocks } = this;
    for (;;) {
      const first = blocks.blockOf(this.#next);
      const last = blocks.blockOf(this.#next + count - 1);
      if (last >= blocks.table.length) {
        // The table grows behind all that its present blocks count.
        this.#next = Math.max(this.#next, blocks.table.length * blocks.perBlock);
        if (!this.#growTable()) return TABLE_FULL;
        continue;
      }
      // Their blocks, too.
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

  /** As `allocate`, but always behind the end: one after the other after `reserve`. */
  allocateNext(): number {
    return this.#extend();
  }

  /**
   * Takes one from the refcount of the cluster at `offset`.
   * @param isTable It held metadata; otherwise clusters of metadata stay as they are: the image lies.
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
    if (count > 1) return 0;
    if (isTable) this.#metadata.delete(cluster);
    // Behind the end, and yet in use: whatever was written there is not zeros.
    if (cluster >= this.#next) this.#freshFrom = Math.max(this.#freshFrom, cluster + 1);
    if (piece === this.#looking) this.#from = Math.min(this.#from, cluster);
    else this.#reopened.add(piece);
    return 0;
  }

  /**
   * Takes back a cluster that was given out and that nothing refers to, not even on disk: a write to
   * it failed. It may hold anything. NEEDS_PIECE, or 0.
   */
  free(offset: number): number {
    const result = this.decrement(offset, false);
    const cluster = offset / this.clusterBytes;
    if (result === 0 && cluster === this.#next - 1) {
      this.#next = cluster;
      this.#freshFrom = Math.max(this.#freshFrom, cluster + 1);
    }
    return result;
  }

  /** The refcount of a cluster; NEEDS_PIECE, or 0 where no block counts it. */
  refcountOf(cluster: number): number {
    const { blocks } = this;
    const index = blocks.blockOf(cluster);
    if (index >= blocks.table.length || blocks.table[index] === 0) return 0;
    const bytes = blocks.find(blocks.pieceOf(cluster));
    return bytes === undefined ? NEEDS_PIECE : blocks.get(bytes, cluster);
  }

  /** A cluster behind the end of the file is in use: what is given out lies behind it. */
  extendTo(cluster: number): void {
    this.#next = Math.max(this.#next, cluster + 1);
  }

  /** The host has room at `wantedRoom`. */
  roomMade(): void {
    this.#roomAt = this.wantedRoom;
  }

  /** Where the clusters that were given out end. */
  get end(): number {
    return this.#next * this.clusterBytes;
  }

  /** A cluster that nobody uses any more, or never used though it lies before the end. */
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
        return cluster * this.clusterBytes;
      }
      this.#looking = -1;
    }
    return NOTHING_FREE;
  }

  /** Chooses a piece to look through; false if there is none, or enough of them for now. */
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
      // Without a block: a part of the file that nobody made. Rare, and not worth a block.
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

  /** The first cluster behind all others. */
  #extend(): number {
    const { blocks } = this;
    for (;;) {
      const cluster = this.#next;
      const index = blocks.blockOf(cluster);
      if (!this.#hasRoom(1)) return TABLE_FULL;
      if (index >= blocks.table.length) {
        if (!this.#growTable()) return TABLE_FULL;
      } else if (blocks.table[index] === 0) {
        // Nothing is gained by a block that leaves no room for what it counts.
        if (!this.#hasRoom(2)) return TABLE_FULL;
        this.wantedRoom = cluster * this.clusterBytes;
        if (this.reservesRoom && this.#roomAt !== this.wantedRoom) return NEEDS_ROOM;
        this.#addBlock(index);
      } else {
        const bytes = blocks.find(blocks.pieceOf(cluster));
        if (bytes === undefined) return NEEDS_PIECE;
        this.#next++;
        // Refcounts behind the end of the file: somebody's leak.
        if (blocks.get(bytes, cluster) !== 0) continue;
        blocks.set(bytes, cluster, 1);
        this.#budget = PIECES_A_TIME;
        this.fresh = cluster >= this.#freshFrom;
        return cluster * this.clusterBytes;
      }
    }
  }

  #hasRoom(clusters: number): boolean {
    return this.#next + clusters <= this.#limit;
  }

  /** A block that is not there yet is made behind the end; it may be the first that it counts. */
  #addBlock(index: number): void {
    const cluster = this.#next++;
    this.blocks.addBlock(index, cluster, cluster >= this.#freshFrom);
    this.#countNew(cluster);
  }

  /**
   * A larger table is made behind the end. All that lies there is counted by blocks which the old
   * table has no entries for, so all of them are new as well.
   */
  #growTable(): boolean {
    const { blocks } = this;
    const start = this.#next;
    const clusters = blocks.tableClustersAt(start);
    // With the blocks that count the new table.
    if (clusters === 0 || !this.#hasRoom(clusters + Math.ceil(clusters / 8) + 4)) return false;
    const { tableOffset, tableClusters } = blocks;
    for (let i = 0; i < tableClusters; i++) {
      this.releasedTables.push(tableOffset + i * this.clusterBytes);
    }
    blocks.moveTable(start, clusters);
    this.#next += clusters;
    for (let cluster = start; cluster < start + clusters; cluster++) this.#countNew(cluster);
    return true;
  }

  /** A cluster of metadata behind the end of what any block on disk counts. */
  #countNew(cluster: number): void {
    const { blocks } = this;
    const index = blocks.blockOf(cluster);
    if (blocks.table[index] === 0) this.#addBlock(index);
    this.#metadata.add(cluster);
    blocks.set(blocks.find(blocks.pieceOf(cluster))!, cluster, 1);
  }
}
