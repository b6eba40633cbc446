import { type Mapping, mapAnonymous } from '../../sys/memory.js';
import { ERRNO } from '../../util/errno.js';
import type { QcowWriter, Stage } from './qcow-writer.js';
import { PIECE_BYTES } from './refcount-blocks.js';

/** Host calls that a flush makes: results, or what the engine returns for "later". */
export interface FlushIo {
  read(address: number, length: number, offset: number): number;
  write(address: number, length: number, offset: number): number;
  sync(): number;
  /** The same for an external data file; 0 where there is none. */
  syncData(): number;
  /** Makes the file at least as long; must not cut it where it is longer. */
  grow(size: number): number;
}

type Step = Generator<number, number, number>;

/** Errnos of a host that cannot make its file longer: the bytes that it lacks are zeros all the same. */
const CANNOT_GROW: ReadonlySet<number> = new Set([ERRNO.EOPNOTSUPP, ERRNO.ENOSPC, ERRNO.EDQUOT]);

/** Pieces that lie one after the other are written at once, up to this. */
const RUN_BYTES = 256 << 10;

/**
 * Writes changed metadata of a qcow2 image in the order that survives a crash at any moment:
 *
 *     refcounts ─► (their table ─► the header, where it has moved) ─► L2 ─► L1 ─► the header with
 *     a new size
 *
 * with a barrier before each arrow's end. What an L2 entry points at was written before the entry
 * changed in memory, so the first barrier covers data too. A crash leaves leaked clusters at worst.
 *
 * An image with lazy refcounts gets them at the end, or when too many have changed; until then its
 * header says that they are stale, from before the first reference that they do not count.
 */
export class MetadataFlush {
  readonly #writer: QcowWriter;
  #memory: Mapping | null = null;
  #loss = 0;
  /** Size of the image's file as far as it is known to be that long, bytes. */
  hostSize: number;

  /** @param hostSize Size of the image's file, bytes. */
  constructor(writer: QcowWriter, hostSize: number) {
    this.#writer = writer;
    this.hostSize = hostSize;
  }

  /**
   * Errno of an fsync of the host that has failed since the last call, else 0. What was not written then
   * is lost: the host takes it for written. (Writes that failed are made again.)
   */
  takeLoss(): number {
    const loss = this.#loss;
    this.#loss = 0;
    return loss;
  }

  /** The result of an fsync that was started. */
  *#synced(started: number): Step {
    const result = yield started;
    if (result < 0) this.#loss = -result;
    return result;
  }

  /**
   * Writes all that differs from the disk, and data too. 0 or -errno; then all is still to do.
   * @param atEnd Refcounts too, however lazy the image is.
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
   * Writes changed refcounts alone. They may get to the disk at any time: a new one before its
   * reference is a leak, and one is taken away when its reference is gone from the disk.
   */
  *runRefcounts(io: FlushIo): Step {
    const { blocks } = this.#writer.allocator;
    const result = yield* this.#writePieces(io, blocks.stagePieces());
    if (result < 0) blocks.restorePieces();
    else blocks.staged();
    return result;
  }

  /** Says in the header that the refcounts are right, after they have got to the disk. */
  *runClean(io: FlushIo): Step {
    const pieces = this.#writer.stageClean();
    if (pieces.size === 0) return 0;
    const written = yield* this.#writePieces(io, pieces);
    return written < 0 ? written : yield* this.#synced(io.sync());
  }

  *#write(io: FlushIo, stage: Stage): Step {
    // After the stage was taken: what its entries point at has been written.
    const data = yield* this.#synced(io.syncData());
    if (data < 0) return data;
    const end = this.#writer.allocator.end;
    if (end > this.hostSize) {
      const grown = yield io.grow(end);
      // A host that cannot, or is full: after a crash the last clusters may lie behind the end, and read
      // as zeros.
      if (grown < 0 && !CANNOT_GROW.has(-grown)) return grown;
      if (grown >= 0) this.hostSize = end;
    }
    const { pieces: refcounts, table } = stage.refcounts;
    const { slices, l1 } = stage.tables;
    const order = [refcounts, table, stage.header, slices, l1, stage.disk];
    for (const pieces of order) {
      if (pieces.size === 0) continue;
      // The barrier before this step. Refcounts need none, nor does a header that says they are stale.
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
