import type { Task } from '../../host/engine.js';
import { PENDING } from '../../host/engine.js';
import { ERRNO } from '../../util/errno.js';
import { type Resume, Waiters } from '../waiters.js';
import { type Allocator, NEEDS_PIECE, NEEDS_ROOM, TABLE_FULL } from './allocator.js';
import { ClusterBuffers } from './cluster-buffers.js';
import type { FlushIo } from './metadata-flush.js';
import type { Released } from './qcow-writer.js';

/** What allocating asks of the host besides what a flush does. */
export interface HostIo extends FlushIo {
  /** Sets room aside in the file, which may become longer; what is there stays. */
  reserve(offset: number, length: number): number;
}

/** Clusters that an allocation frees at most, on its way: the rest is left to the next flush. */
const FREED_AT_ONCE = 1024;

/** Looking for clusters in a row is given up some time. */
const RUN_STEPS_MAX = 4096;

/** Clusters whose references are gone from the disk. */
interface Retired {
  /** Host offsets, descending: the last ones go first. */
  data: number[];
  tables: number[];
  /** No request is under way any more that may have looked the clusters up before. */
  drained: () => boolean;
}

/** Allocates and frees clusters of an image, with what has to be read and written for it. */
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
   * Host offset of a cluster for a new purpose, or -errno; `Allocator.fresh` says what is in it.
   * @param relieve Writes changed refcounts, so that there is room for others.
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
   * Host offset of `count` new clusters in a row, or -errno.
   * @param giveBack Called with clusters that are not needed after all.
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
    // Others allocate while this one waits for refcounts, and break the row.
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

  /** The clusters lose a reference as soon as `drained` says that nobody reads them any more. */
  retire({ data, tables }: Released, drained: () => boolean): void {
    if (data.length + tables.length === 0) return;
    // In order, so that each piece of the refcounts is needed once.
    const sorted = Array.from(Float64Array.from(data).sort().reverse());
    this.#retired.push({ data: sorted, tables, drained });
  }

  /** Takes references away, of `most` clusters of data at most. 0 or -errno. */
  *settle(request: number, io: FlushIo, most: number, relieve: () => Task): Task {
    for (let left = most; left > 0; ) {
      const first = this.#retired[0];
      if (first === undefined || !first.drained()) return 0;
      // Taken out before anything waits: others settle too.
      const data = first.data.splice(-left);
      const tables = first.tables.splice(0);
      if (first.data.length === 0) this.#retired.shift();
      left -= data.length + 1;
      while (data.length + tables.length > 0) {
        const isTable = data.length === 0;
        const list = isTable ? tables : data;
        const error = yield* this.#decrement(request, io, list.at(-1)!, isTable, relieve);
        if (error < 0) {
          // Until their refcounts can be read they are leaks: no harm but their room.
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

  /** Has the host set room aside for a refcount block and the first cluster that it counts. */
  *#makeRoom(io: HostIo): Task {
    const { allocator } = this;
    const result = yield io.reserve(allocator.wantedRoom, 2 * allocator.clusterBytes);
    if (result < 0 && result !== -ERRNO.EOPNOTSUPP) return result;
    allocator.roomMade();
    return 0;
  }

  /** Reads the piece that is wanted, or waits until it has been read. 0 or -errno. */
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
