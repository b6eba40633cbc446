import type { Engine, Task } from '../../host/engine.js';
import { writeAll } from '../../host/transfer-all.js';
import type { Mapping } from '../../sys/memory.js';
import { ERRNO } from '../../util/errno.js';
import type { Mappings } from '../mappings.js';
import type { FreshTables } from './fresh-tables.js';
import type { QcowWriter, Stage } from './qcow-writer.js';
import { PIECE_BYTES, type Pieces } from './refcount-blocks.js';

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
  readonly #engine: Engine;
  readonly #file: number;
  readonly #memory: Mapping;
  readonly #fresh: FreshTables | null;
  #loss = 0;
  /** The image's file has at least this size, bytes. */
  hostSize: number;
  /** The same on the disk: a failed fsync can lose what came after it. */
  #syncedSize: number;

  /**
   * @param file The engine's handle of the image's file.
   * @param hostSize Size of the image's file, bytes.
   * @param fresh Null: no table is made.
   */
  constructor(
    writer: QcowWriter,
    engine: Engine,
    file: number,
    hostSize: number,
    mappings: Mappings,
    fresh: FreshTables | null = null,
  ) {
    this.#fresh = fresh;
    this.#memory = mappings.map(RUN_BYTES + PIECE_BYTES);
    this.#writer = writer;
    this.#engine = engine;
    this.#file = file;
    this.hostSize = hostSize;
    this.#syncedSize = hostSize;
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

  *#sync(request: number, file = this.#file): Task {
    const size = this.hostSize;
    const tables = this.#fresh?.count ?? 0;
    const result = yield this.#engine.flush(request, file, true);
    if (result < 0) {
      this.#loss = -result;
      this.hostSize = this.#syncedSize;
      if (file === this.#file) this.#fresh?.lost();
    } else if (file === this.#file) {
      this.#syncedSize = size;
      this.#fresh?.synced(tables);
    }
    return result;
  }

  /**
   * Writes all metadata that differs from the disk, and syncs the data. 0 or -errno; after an error
   * everything still counts as changed.
   * @param atEnd Write the refcounts even if they are lazy.
   */
  *run(request: number, atEnd: boolean): Task {
    const { isLazy, allocator } = this.#writer;
    const stage = this.#writer.stage(atEnd || !isLazy || allocator.blocks.crowded);
    const result = yield* this.#write(request, stage);
    stage.ended(result >= 0);
    return result;
  }

  /**
   * Writes changed refcounts only. That is allowed at any time: a refcount on disk before its reference is
   * just a leak, and a refcount is decremented only after its reference is gone from the disk.
   */
  *runRefcounts(request: number): Task {
    const { blocks } = this.#writer.allocator;
    this.#writer.log?.takeBackPending();
    const result = yield* this.#writePieces(request, blocks.stagePieces());
    blocks.piecesEnded(result >= 0);
    return result;
  }

  /** Clears the dirty mark in the header, after the refcounts have been written. */
  *runClean(request: number): Task {
    const pieces = this.#writer.stageClean();
    if (pieces.size === 0) return 0;
    const written = yield* this.#writePieces(request, pieces);
    return written < 0 ? written : yield* this.#sync(request);
  }

  *#write(request: number, stage: Stage): Task {
    const { allocator, hasDataFile, layer } = this.#writer;
    // After the stage was taken, so that this covers the data of all its entries.
    const data = hasDataFile ? yield* this.#sync(request, layer.dataFile) : 0;
    if (data < 0) return data;
    const again = this.#fresh === null ? 0 : yield* this.#fresh.again(request);
    if (again < 0) return again;
    const { end } = allocator;
    if (end > this.hostSize) {
      // Not ftruncate, which would cut off clusters that are being written past this end.
      const grown = yield this.#engine.allocate(request, this.#file, 0, end - 1, 1);
      // If the host cannot do this or is full, a crash may leave the last clusters past the end. They
      // then read as zeros.
      if (grown < 0 && !CANNOT_GROW.has(-grown)) return grown;
      if (grown >= 0) this.hostSize = end;
    }
    const { refcounts, table, header, slices, l1, disk } = stage;
    const order = [refcounts, table, header, slices, l1, disk];
    for (const pieces of order) {
      if (pieces.size === 0) continue;
      // The barrier before this step. Refcounts need none, nor does a header that only gets the dirty mark.
      const isFree = pieces === refcounts || (pieces === header && table.size === 0);
      const ordered = isFree ? 0 : yield* this.#sync(request);
      if (ordered < 0) return ordered;
      const written = yield* this.#writePieces(request, pieces);
      if (written < 0) return written;
    }
    return yield* this.#sync(request);
  }

  *#writePieces(request: number, pieces: Pieces): Task {
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
      const written = yield* writeAll(this.#engine, request, this.#file, address, length, start);
      if (written < 0) return written;
    }
    return 0;
  }
}
