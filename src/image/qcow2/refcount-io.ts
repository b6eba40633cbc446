import { type Engine, PENDING, type Task } from '../../host/engine.js';
import { readAll } from '../../host/transfer-all.js';
import { ERRNO } from '../../util/errno.js';
import { Buffers } from '../buffers.js';
import type { Mappings } from '../mappings.js';
import { type Resume, Waiters } from '../waiters.js';
import { type Allocator, NEEDS_PIECE, NEEDS_ROOM, type Released, TABLE_FULL } from './allocator.js';
import type { ChangeLog } from './change-log.js';

/** Writes changed refcounts in the name of a request, so that others can be loaded. */
type Relieve = (request: number) => Task;

/** The most clusters that an allocation frees first. The others are left to the next flush. */
const FREED_AT_ONCE = 1024;

/** Bounds the search for consecutive clusters. */
const RUN_STEPS_MAX = 4096;

/** Clusters whose references are gone from the disk. `data` is descending: the last ones are freed first. */
interface Retired extends Released {
  /** True once every request has ended that may have looked the clusters up. */
  drained: () => boolean;
}

/** Allocates and frees clusters of an image, with the necessary I/O. */
export class RefcountIo {
  readonly allocator: Allocator;
  readonly #engine: Engine;
  readonly #file: number;
  readonly #buffers: Buffers;
  readonly #waiters: Waiters;
  readonly #loading = new Set<number>();
  #retired: Retired[] = [];
  readonly #log: ChangeLog | null;

  /** @param file The engine's handle of the image's file. */
  constructor(
    allocator: Allocator,
    engine: Engine,
    file: number,
    resume: Resume,
    mappings?: Mappings,
    log: ChangeLog | null = null,
  ) {
    this.#log = log;
    this.allocator = allocator;
    this.#engine = engine;
    this.#file = file;
    this.#buffers = new Buffers(allocator.blocks.pieceBytes, resume, mappings);
    this.#waiters = new Waiters(resume);
  }

  /** Host offset of a new cluster, or -errno. `Allocator.fresh` then says whether it reads as zeros. */
  *allocate(request: number, relieve: Relieve): Task {
    if (this.#retired.length > 0) {
      const error = yield* this.settle(request, FREED_AT_ONCE, relieve);
      if (error < 0) return error;
    }
    for (;;) {
      const host = this.allocator.allocate();
      if (host >= 0) return host;
      const error = yield* this.#provide(request, host, relieve);
      if (error < 0) return error;
    }
  }

  /** Host offset of `count` consecutive new clusters, or -errno. */
  *allocateRun(request: number, count: number, relieve: Relieve): Task {
    const { allocator } = this;
    let run: number[] = [];
    // Other requests may allocate while this one waits for refcounts; then it starts again.
    for (let step = 0; step < RUN_STEPS_MAX + 4 * count; step++) {
      let host = run.length === 0 ? allocator.reserve(count) : 0;
      if (host === 0) host = allocator.allocateNext();
      if (host < 0) {
        const error = yield* this.#provide(request, host, relieve);
        if (error === 0) continue;
        this.#freeAll(run);
        return error;
      }
      if (run.length > 0 && host !== run.at(-1)! + allocator.clusterBytes) {
        this.#freeAll(run);
        run = [];
      }
      run.push(host);
      if (run.length === count) return run[0]!;
    }
    this.#freeAll(run);
    return -ERRNO.ENOSPC;
  }

  #freeAll(hosts: number[]): void {
    for (const host of hosts.reverse()) this.allocator.free(host);
  }

  /** Provides what an allocation lacks. 0, and it is to be tried again; or -errno. */
  *#provide(request: number, lacking: number, relieve: Relieve): Task {
    if (lacking === TABLE_FULL) return -ERRNO.ENOSPC;
    if (lacking === NEEDS_ROOM) return yield* this.#makeRoom(request);
    return yield* this.#load(request, relieve);
  }

  /** The refcount of a cluster, or -errno. */
  *refcountOf(request: number, cluster: number, relieve: Relieve): Task {
    for (;;) {
      const count = this.allocator.refcountOf(cluster);
      if (count !== NEEDS_PIECE) return count;
      const error = yield* this.#load(request, relieve);
      if (error < 0) return error;
    }
  }

  /** Takes a reference from each cluster once `drained` says that no request reads them any more. */
  retire({ data, tables }: Released, drained: () => boolean): void {
    if (data.length + tables.length === 0) return;
    // Sorted, so that each piece of the refcounts is needed once.
    const sorted = Array.from(Float64Array.from(data).sort().reverse());
    this.#retired.push({ data: sorted, tables, drained });
  }

  /** Number of references that are left for `settle` to take away. */
  get retired(): number {
    return this.#retired.reduce((sum, { data, tables }) => sum + data.length + tables.length, 0);
  }

  /**
   * Takes references away as `retire` says, from at most `most` clusters of data and as many of tables; fewer if the log
   * has no room. 0 or -errno.
   */
  *settle(request: number, most: number, relieve: Relieve): Task {
    for (let left = Math.min(most, this.#log?.settleable ?? most); left > 0; ) {
      const first = this.#retired[0];
      if (first === undefined || !first.drained()) return 0;
      // Taken out before the first wait, because other requests settle too.
      const data = first.data.splice(-left);
      const tables = first.tables.splice(-left);
      if (first.data.length + first.tables.length === 0) this.#retired.shift();
      left -= data.length + 1;
      while (data.length + tables.length > 0) {
        const isTable = data.length === 0;
        const list = isTable ? tables : data;
        const error = yield* this.#decrement(request, list.at(-1)!, isTable, relieve);
        if (error < 0) {
          // Until their refcounts can be read these clusters are leaks, which only take room.
          this.#retired.unshift({ data, tables, drained: first.drained });
          return 0;
        }
        list.pop();
      }
    }
    return 0;
  }

  *#decrement(request: number, offset: number, isTable: boolean, relieve: Relieve): Task {
    while (this.allocator.decrement(offset, isTable) === NEEDS_PIECE) {
      const error = yield* this.#load(request, relieve);
      if (error < 0) return error;
    }
    this.#log?.settled(offset, isTable);
    this.#log?.commit();
    return 0;
  }

  /** Reserves room on the host for a refcount block and the first cluster that it counts. */
  *#makeRoom(request: number): Task {
    const { wantedRoom, clusterBytes } = this.allocator;
    const length = 2 * clusterBytes;
    const result = yield this.#engine.allocate(request, this.#file, 0, wantedRoom, length);
    if (result < 0 && result !== -ERRNO.EOPNOTSUPP) return result;
    this.allocator.roomMade();
    return 0;
  }

  /** Reads the wanted piece, or waits until another request has read it. 0 or -errno. */
  *#load(request: number, relieve: Relieve): Task {
    const { blocks } = this.allocator;
    const piece = blocks.wanted;
    if (blocks.crowded) return yield* relieve(request);
    if (this.#loading.has(piece)) {
      this.#waiters.add(piece, request);
      yield PENDING;
      return 0;
    }
    this.#loading.add(piece);
    const buffer = yield* this.#buffers.take(request);
    const { pieceBytes } = blocks;
    const { address } = buffer;
    const from = blocks.offsetOf(piece);
    const got = yield* readAll(this.#engine, request, this.#file, address, pieceBytes, from);
    if (got >= 0) {
      const bytes = new Uint8Array(buffer.buffer).slice(0, pieceBytes);
      blocks.loaded(piece, bytes.fill(0, got));
    }
    this.#buffers.release(buffer);
    this.#loading.delete(piece);
    this.#waiters.wake(piece);
    return Math.min(got, 0);
  }
}
