import type { Task } from '../../host/engine.js';
import { PENDING } from '../../host/engine.js';
import { ERRNO } from '../../util/errno.js';
import { type Resume, Waiters } from '../waiters.js';
import { type Allocator, NEEDS_PIECE, NEEDS_ROOM, TABLE_FULL } from './allocator.js';
import { ClusterBuffers } from './cluster-buffers.js';
import type { FlushIo } from './metadata-flush.js';
import type { Released } from './qcow-writer.js';

/** The host calls of an allocation: those of a flush and one more. */
export interface HostIo extends FlushIo {
  /** Reserves room in the file, which may become longer. Existing bytes stay. */
  reserve(offset: number, length: number): number;
}

/** The most clusters that an allocation frees first. The others are left to the next flush. */
const FREED_AT_ONCE = 1024;

/** Bounds the search for consecutive clusters. */
const RUN_STEPS_MAX = 4096;

/** Clusters whose references are gone from the disk. */
interface Retired {
  /** Host offsets, descending: the last ones are freed first. */
  data: number[];
  tables: number[];
  /** True once every request has ended that may have looked the clusters up. */
  drained: () => boolean;
}

/** Allocates and frees clusters of an image, with the necessary I/O. */
export class RefcountIo {
  readonly allocator: Allocator;
  readonly #buffers: ClusterBuffers;
  readonly #waiters: Waiters;
  readonly #loading = new Set<number>();
  #retired: Retired[] = [];

  constructor(allocator: Allocator, resume: Resume) {
    this.allocator = allocator;
    this.#buffers = new ClusterBuffers(allocator.blocks.pieceBytes, resume);
    this.#waiters = new Waiters(resume);
  }

  /**
   * Host offset of a new cluster, or -errno. `Allocator.fresh` then says whether it reads as zeros.
   * @param relieve Writes changed refcounts, so that others can be loaded.
   */
  *allocate(request: number, io: HostIo, relieve: () => Task): Task {
    if (this.#retired.length > 0) {
      const error = yield* this.settle(request, io, FREED_AT_ONCE, relieve);
      if (error < 0) return error;
    }
    for (;;) {
      const host = this.allocator.allocate();
      if (host === TABLE_FULL) return -ERRNO.ENOSPC;
      if (host >= 0) return host;
      const error =
        host === NEEDS_ROOM ? yield* this.#makeRoom(io) : yield* this.#load(request, io, relieve);
      if (error < 0) return error;
    }
  }

  /**
   * Host offset of `count` consecutive new clusters, or -errno.
   * @param giveBack Called with allocated clusters that are not needed.
   */
  *allocateRun(
    request: number,
    io: HostIo,
    count: number,
    clusterBytes: number,
    giveBack: (hosts: number[]) => void,
    relieve: () => Task,
  ): Task {
    let run: number[] = [];
    // Other requests may allocate while this one waits for refcounts; then it starts again.
    for (let step = 0; step < RUN_STEPS_MAX + 4 * count; step++) {
      let host = run.length === 0 ? this.allocator.reserve(count) : 0;
      if (host === 0) host = this.allocator.allocateNext();
      if (host < 0) {
        let error = -ERRNO.ENOSPC;
        if (host === NEEDS_PIECE) error = yield* this.#load(request, io, relieve);
        else if (host === NEEDS_ROOM) error = yield* this.#makeRoom(io);
        if (error === 0) continue;
        giveBack(run);
        return error;
      }
      if (run.length > 0 && host !== run.at(-1)! + clusterBytes) {
        giveBack(run);
        run = [];
      }
      run.push(host);
      if (run.length === count) return run[0]!;
    }
    giveBack(run);
    return -ERRNO.ENOSPC;
  }

  /** The refcount of a cluster, or -errno. */
  *refcountOf(request: number, io: FlushIo, cluster: number, relieve: () => Task): Task {
    for (;;) {
      const count = this.allocator.refcountOf(cluster);
      if (count !== NEEDS_PIECE) return count;
      const error = yield* this.#load(request, io, relieve);
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

  /** Takes references away as `retire` says, from at most `most` clusters of data. 0 or -errno. */
  *settle(request: number, io: FlushIo, most: number, relieve: () => Task): Task {
    for (let left = most; left > 0; ) {
      const first = this.#retired[0];
      if (first === undefined || !first.drained()) return 0;
      // Taken out before the first wait, because other requests settle too.
      const data = first.data.splice(-left);
      const tables = first.tables.splice(0);
      if (first.data.length === 0) this.#retired.shift();
      left -= data.length + 1;
      while (data.length + tables.length > 0) {
        const isTable = data.length === 0;
        const list = isTable ? tables : data;
        const error = yield* this.#decrement(request, io, list.at(-1)!, isTable, relieve);
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

  *#decrement(
    request: number,
    io: FlushIo,
    offset: number,
    isTable: boolean,
    relieve: () => Task,
  ): Task {
    while (this.allocator.decrement(offset, isTable) === NEEDS_PIECE) {
      const error = yield* this.#load(request, io, relieve);
      if (error < 0) return error;
    }
    return 0;
  }

  /** Reserves room on the host for a refcount block and the first cluster that it counts. */
  *#makeRoom(io: HostIo): Task {
    const { allocator } = this;
    const result = yield io.reserve(allocator.wantedRoom, 2 * allocator.clusterBytes);
    if (result < 0 && result !== -ERRNO.EOPNOTSUPP) return result;
    allocator.roomMade();
    return 0;
  }

  /** Reads the wanted piece, or waits until another request has read it. 0 or -errno. */
  *#load(request: number, io: FlushIo, relieve: () => Task): Task {
    const { blocks } = this.allocator;
    const piece = blocks.wanted;
    if (blocks.crowded) return yield* relieve();
    if (this.#loading.has(piece)) {
      this.#waiters.add(piece, request);
      yield PENDING;
      return 0;
    }
    this.#loading.add(piece);
    const buffer = yield* this.#buffers.take(request);
    const { pieceBytes } = blocks;
    const got = yield io.read(buffer.address, pieceBytes, blocks.offsetOf(piece));
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
