import { type Mapping, mapAnonymous } from '../../sys/memory.js';
import { ERRNO } from '../../util/errno.js';
import type { QcowWriter, Stage } from './qcow-writer.js';
import { PIECE_BYTES } from './refcount-blocks.js';

/** The host calls of a flush. Each returns its result, or the engine's PENDING. */
export interface FlushIo {
  read(address: number, length: number, offset: number): number;
  write(address: number, length: number, offset: number): number;
  sync(): number;
  /** Syncs an external data file; 0 without one. */
  syncData(): number;
  /** Makes the file at least `size` bytes long; must not shorten it. */
  grow(size: number): number;
}

type Step = Generator<number, number, number>;

/** Errnos of a host that cannot make its file longer. The missing bytes read as zeros all the same. */
const CANNOT_GROW: ReadonlySet<number> = new Set([ERRNO.EOPNOTSUPP, ERRNO.ENOSPC, ERRNO.EDQUOT]);

/** Adjacent pieces are written together, up to this many bytes. */
const RUN_BYTES = 256 << 10;

/**
 * Writes changed metadata of a qcow2 image in an order that survives a crash at any moment:
 *
 *     refcounts ─► (their table ─► the header, where it has moved) ─► L2 ─► L1 ─► the header with
 *     a new size
 *
 * with a barrier at each arrow. The cluster of an L2 entry was written before the entry changed in
 * memory, so the first barrier covers data too. A crash leaves leaked clusters at worst.
 *
 * Lazy refcounts are written at the end, or when too many have changed. Before the first reference that
 * they do not count gets to the disk, the header is marked as dirty.
 */
export class MetadataFlush {
  readonly #writer: QcowWriter;
  #memory: Mapping | null = null;
  #loss = 0;
  /** The image's file has at least this size, bytes. */
  hostSize: number;

  /** @param hostSize Size of the image's file, bytes. */
  constructor(writer: QcowWriter, hostSize: number) {
    this.#writer = writer;
    this.hostSize = hostSize;
  }

  /**
   * Errno of an fsync of the host that has failed since the last call, else 0. Bytes that it did not write
   * are lost, because the host then takes them for written. (Failed writes are repeated.)
   */
  takeLoss(): number {
    const loss = this.#loss;
    this.#loss = 0;
    return loss;
  }

  /** Waits for the result of a started fsync. */
  *#synced(started: number): Step {
    const result = yield started;
    if (result < 0) this.#loss = -result;
    return result;
  }

  /**
   * Writes all metadata that differs from the disk, and syncs the data. 0 or -errno; after an error
   * everything still counts as changed.
   * @param atEnd Write the refcounts even if they are lazy.
   */
  *run(io: FlushIo, atEnd: boolean): Step {
    const { isLazy, allocator } = this.#writer;
    const stage = this.#writer.stage(atEnd || !isLazy || allocator.blocks.crowded);
    const result = yield* this.#write(io, stage);
    if (result < 0) this.#writer.restore(stage);
    else this.#writer.staged(stage);
    return result;
  }

  /**
   * Writes changed refcounts only. That is allowed at any time: a refcount on disk before its reference is
   * just a leak, and a refcount is decremented only after its reference is gone from the disk.
   */
  *runRefcounts(io: FlushIo): Step {
    const { blocks } = this.#writer.allocator;
    const result = yield* this.#writePieces(io, blocks.stagePieces());
    if (result < 0) blocks.restorePieces();
    else blocks.staged();
    return result;
  }

  /** Clears the dirty mark in the header, after the refcounts have been written. */
  *runClean(io: FlushIo): Step {
    const pieces = this.#writer.stageClean();
    if (pieces.size === 0) return 0;
    const written = yield* this.#writePieces(io, pieces);
    return written < 0 ? written : yield* this.#synced(io.sync());
  }

  *#write(io: FlushIo, stage: Stage): Step {
    // After the stage was taken, so that this covers the data of all its entries.
    const data = yield* this.#synced(io.syncData());
    if (data < 0) return data;
    const end = this.#writer.allocator.end;
    if (end > this.hostSize) {
      const grown = yield io.grow(end);
      // If the host cannot do this or is full, a crash may leave the last clusters past the end. They
      // then read as zeros.
      if (grown < 0 && !CANNOT_GROW.has(-grown)) return grown;
      if (grown >= 0) this.hostSize = end;
    }
    const { pieces: refcounts, table } = stage.refcounts;
    const { slices, l1 } = stage.tables;
    const order = [refcounts, table, stage.header, slices, l1, stage.disk];
    for (const pieces of order) {
      if (pieces.size === 0) continue;
      // The barrier before this step. Refcounts need none, nor does a header that only gets the dirty mark.
      const isFree = pieces === refcounts || (pieces === stage.header && table.size === 0);
      const ordered = isFree ? 0 : yield* this.#synced(io.sync());
      if (ordered < 0) return ordered;
      const written = yield* this.#writePieces(io, pieces);
      if (written < 0) return written;
    }
    return yield* this.#synced(io.sync());
  }

  *#writePieces(io: FlushIo, pieces: ReadonlyMap<number, Uint8Array>): Step {
    this.#memory ??= mapAnonymous(RUN_BYTES + PIECE_BYTES);
    const { address, buffer } = this.#memory;
    const bytes = new Uint8Array(buffer);
    const offsets = [...pieces.keys()].sort((a, b) => a - b);
    for (let i = 0; i < offsets.length; ) {
      const start = offsets[i]!;
      let length = 0;
      while (i < offsets.length && offsets[i] === start + length && length < RUN_BYTES) {
        const piece = pieces.get(offsets[i]!)!;
        bytes.set(piece, length);
        length += piece.length;
        i++;
      }
      for (let done = 0; done < length; ) {
        const result = yield io.write(address + done, length - done, start + done);
        if (result <= 0) return result === 0 ? -ERRNO.EIO : result;
        done += result;
      }
    }
    return 0;
  }
}
