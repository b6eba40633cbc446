import type { Engine, Task } from '../../host/engine.js';
import { NO_TIMES } from '../../host/host-times.js';
import type { LayerIo } from '../format.js';
import type { OwnFile } from './cluster-writes.js';
import type { FreshTables } from './fresh-tables.js';
import { MetadataFlush } from './metadata-flush.js';
import type { QcowWriter } from './qcow-writer.js';
import { RefcountIo } from './refcount-io.js';

/** Flushes of an image, and the references that clusters lose between two of them. One at a time. */
export class Flushes {
  readonly refcounts: RefcountIo;
  readonly #writer: QcowWriter;
  readonly #engine: Engine;
  readonly #file: number;
  readonly #metadata: MetadataFlush;

  constructor(
    writer: QcowWriter,
    { file, hostSize }: Pick<OwnFile, 'file' | 'hostSize'>,
    { engine, resume, mappings }: Pick<LayerIo, 'engine' | 'resume' | 'mappings'>,
    fresh: FreshTables | null = null,
  ) {
    const { allocator, log } = writer;
    this.#writer = writer;
    this.#engine = engine;
    this.#file = file;
    this.refcounts = new RefcountIo(allocator, engine, file, resume, mappings, log);
    this.#metadata = new MetadataFlush(writer, engine, file, hostSize, mappings, fresh);
  }

  /**
   * Writes everything that was acknowledged before to the disk. 0 or -errno.
   * @param atEnd See `MetadataFlush.run`.
   */
  *once(request: number, watch: () => () => boolean, atEnd: boolean): Task {
    const { allocator } = this.#writer;
    const relieve = (): Task => this.#metadata.runRefcounts(request);
    yield* this.refcounts.settle(request, Number.POSITIVE_INFINITY, relieve);
    const released = allocator.takeReleased();
    const result = yield* this.#metadata.run(request, atEnd);
    if (result < 0) allocator.putBack(released);
    else this.refcounts.retire(released, watch());
    return result;
  }

  /**
   * The last flush, when no other request changes the image. It runs twice: the first run removes old
   * references from the disk, the second writes the refcounts without them. Then all refcounts are right
   * and the dirty mark is cleared. A log may have room for a part of them only; then there are more runs.
   */
  *close(request: number): Task {
    const stretched = yield* this.#stretch(request);
    if (stretched < 0) return stretched;
    const drained = (): boolean => true;
    for (let round = 0, left = -1; ; round++) {
      const result = yield* this.once(request, () => drained, true);
      if (result < 0) return result;
      const { retired } = this.refcounts;
      // Refcounts that cannot be read stay as they are: leaks.
      if (round > 0 && (retired === 0 || retired === left)) break;
      left = retired;
    }
    return yield* this.#metadata.runClean(request);
  }

  /** See `MetadataFlush.takeLoss`. */
  takeLoss(): number {
    return this.#metadata.takeLoss();
  }

  /**
   * Extends the image's file to the end of its clusters. ftruncate(2) takes no room, so it succeeds even
   * on a full disk; but earlier it would cut off clusters that are being written past the end.
   */
  *#stretch(request: number): Task {
    const { end } = this.#writer.allocator;
    if (end <= this.#metadata.hostSize) return 0;
    const status = { size: end, allocated: 0, times: NO_TIMES };
    const error = yield this.#engine.status(request, this.#file, status);
    if (error < 0) return error;
    const result = status.size < end ? yield this.#engine.resize(request, this.#file, end) : 0;
    if (result === 0) this.#metadata.hostSize = end;
    return result;
  }
}
