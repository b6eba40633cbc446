import type { Memory } from '../buffers/memory.js';
import { type Engine, PENDING } from '../engine/engine.js';
import type { ChainImage } from '../image/chain-image.js';
import { DATA, newExtent, ZERO } from '../image/image.js';
import { NEEDS_BLOCK, TABLE_FULL } from '../image/qcow2/allocator.js';
import type { QcowWriter } from '../image/qcow2/qcow-writer.js';
import { MISSING } from '../image/qcow2/slice-cache.js';
import { type Mapping, mapAnonymous } from '../sys/memory.js';
import { pread } from '../sys/transfer.js';
import { ERRNO } from '../util/errno.js';
import type { Chain } from './chain.js';
import { ChainContent } from './chain-content.js';
import { ClusterBuffers } from './cluster-buffers.js';
import { type FlushIo, MetadataFlush } from './metadata-flush.js';
import type { Task } from './tasks.js';
import { type Resume, Waiters } from './waiters.js';

const FALLOC_KEEP_SIZE = 0x01;
const FALLOC_PUNCH_HOLE = 0x02;

/** Keys of waiters that are no L1 index. */
const FLUSH = -1;

/** Nothing to take the bytes from: zeros. */
export const ZEROS = -1;

/**
 * Writes of a qcow2 image that are more than a transfer: new clusters, copies of what surrounds the
 * bytes, zeros. Whoever calls holds an exclusive lock on the clusters that are touched.
 */
export class ChainWrites {
  readonly writer: QcowWriter;
  readonly #chain: Chain;
  readonly #content: ChainContent;
  readonly #image: ChainImage;
  readonly #engine: Engine;
  readonly #memory: Memory;
  readonly #file: number;
  readonly #alignment: number;
  readonly #buffers: ClusterBuffers;
  readonly #waiters: Waiters;
  readonly #flush: MetadataFlush;
  readonly #tables = new Set<number>();
  #flushing = false;

  constructor(
    chain: Chain,
    writer: QcowWriter,
    engine: Engine,
    memory: Memory,
    resume: Resume,
    file: number,
    hostSize: number,
    alignment: number,
  ) {
    this.#chain = chain;
    this.#content = new ChainContent(chain, engine, alignment);
    this.#image = chain.image;
    this.writer = writer;
    this.#engine = engine;
    this.#memory = memory;
    this.#file = file;
    this.#alignment = alignment;
    this.#buffers = new ClusterBuffers(writer.layer.geometry.clusterBytes + 4096, resume);
    this.#waiters = new Waiters(resume);
    this.#flush = new MetadataFlush(writer, hostSize);
  }

  /**
   * Writes `length` bytes at `offset` from `source` in the plane's memory, or zeros.
   * @returns Bytes written; -errno only if that is none.
   */
  *write(request: number, offset: number, length: number, source: number): Task {
    const { clusterBytes } = this.writer.layer.geometry;
    for (let done = 0; done < length; ) {
      const start = offset + done;
      const rest = clusterBytes - (start % clusterBytes);
      const bytes = Math.min(length - done, rest);
      const from = source === ZEROS ? ZEROS : source + done;
      const result = yield* this.#writePiece(request, start, start + bytes, from);
      if (result < 0) return done > 0 ? done : result;
      done += bytes;
    }
    return length;
  }

  /** Makes a range read as zeros: whole clusters by their entries, allocated ones by holes. */
  *zero(request: number, offset: number, length: number): Task {
    const end = Math.min(offset + length, this.#image.size);
    const extent = newExtent();
    for (let at = offset; at < end; ) {
      const error = yield* this.#content.map(request, at, end - at, extent);
      if (error < 0) return error;
      const isOwn = extent.kind === DATA && this.writer.mapInPlace(at, extent.length, extent);
      let result = 0;
      let bytes = extent.length;
      if (isOwn) result = yield* this.#punch(request, at, extent.offset, bytes);
      else if (extent.kind !== ZERO) {
        const { clusterBytes } = this.writer.layer.geometry;
        bytes = Math.min(end - at, clusterBytes - (at % clusterBytes));
        result = yield* this.#zeroCluster(request, at, bytes);
      }
      if (result < 0) return result;
      at += bytes;
    }
    return 0;
  }

  /** Everything that was acknowledged before is on the disk when this ends. 0 or -errno. */
  *flush(request: number): Task {
    while (this.#flushing) {
      this.#waiters.add(FLUSH, request);
      yield PENDING;
    }
    this.#flushing = true;
    const engine = this.#engine;
    const file = this.#file;
    const result = yield* this.flushWith(
      {
        write: (address, length, offset) => {
          return engine.write(request, file, address, length, offset, false);
        },
        sync: () => engine.flush(request, file, true),
        // Not ftruncate: clusters are being written behind this end, and it would cut them off.
        grow: (size) => engine.allocate(request, file, 0, size - 1, 1),
      },
      (index) => this.#loadBlock(request, index),
    );
    this.#flushing = false;
    this.#waiters.wake(FLUSH);
    return result;
  }

  /** The same with other calls. @param loadBlock Brings a refcount block to memory. */
  *flushWith(io: FlushIo, loadBlock: (index: number) => Task): Task {
    const { writer } = this;
    const released = writer.released;
    writer.released = [];
    const result = yield* this.#flush.run(io);
    if (result < 0) {
      writer.released.push(...released);
      return result;
    }
    for (const offset of released) {
      while (writer.allocator.decrement(offset) === NEEDS_BLOCK) {
        const error = yield* loadBlock(writer.allocator.wanted);
        // Left as it is, the cluster is a leak: no harm but its room.
        if (error < 0) break;
      }
    }
    return 0;
  }

  *#writePiece(request: number, start: number, end: number, source: number): Task {
    const { writer } = this;
    const prepared = yield* this.#prepare(request, start);
    if (prepared < 0) return prepared;
    const { clusterBytes } = writer.layer.geometry;
    const base = start - (start % clusterBytes);
    const { host: existing, inPlace, from, to } = writer.makePlan(prepared, start, end);
    const host = existing >= 0 ? existing : yield* this.#allocate(request);
    if (host < 0) return host;
    if (existing >= 0 && writer.isMetadata(host, clusterBytes)) return -ERRNO.EIO;
    const result = yield* this.#writeAround(
      request,
      { base, host, from: base + from, to: base + to, fresh: existing < 0, inPlace },
      start,
      end,
      source,
    );
    if (result < 0 || inPlace) return Math.min(result, 0);
    const place = yield* this.#prepare(request, start);
    if (place < 0) return place;
    writer.link(place, start, host, from, to);
    return yield* this.#relieve(request);
  }

  /** Writes a range with what lies around it in its cluster. */
  *#writeAround(
    request: number,
    target: ClusterTarget,
    start: number,
    end: number,
    source: number,
  ): Task {
    const { base, host, fresh } = target;
    const mask = this.#alignment - 1;
    let { from, to } = target;
    if (fresh || target.inPlace) {
      const zeroHead = target.inPlace || (yield* this.#content.isZero(request, from, start)) === 1;
      const zeroTail = target.inPlace || (yield* this.#content.isZero(request, end, to)) === 1;
      // A new cluster is zeros already; an own one is right already. Only whole blocks are needed.
      if (zeroHead) from = start - (start & mask);
      if (zeroTail)
        to = Math.min(base + this.writer.layer.geometry.clusterBytes, end + (-end & mask));
    }
    const address = this.#memory.address + source;
    if (from === start && to === end && source !== ZEROS && address % this.#alignment === 0) {
      return yield* this.#writeAll(request, address, end - start, host + start - base);
    }
    const buffer = yield* this.#buffers.take(request);
    const result = yield* this.#assemble(request, buffer, from, to, start, end, source);
    const written =
      result < 0
        ? result
        : yield* this.#writeAll(request, buffer.address, to - from, host + from - base);
    this.#buffers.release(buffer);
    return written;
  }

  /** Puts old bytes `from` to `to` into a buffer, and the new ones `start` to `end` over them. */
  *#assemble(
    request: number,
    buffer: Mapping,
    from: number,
    to: number,
    start: number,
    end: number,
    source: number,
  ): Task {
    const bytes = new Uint8Array(buffer.buffer);
    const mask = this.#alignment - 1;
    const headEnd = Math.min(to, start + (-start & mask));
    const tailStart = Math.max(headEnd, end - (end & mask));
    if (from < start) {
      const error = yield* this.#content.read(request, buffer, 0, from, headEnd);
      if (error < 0) return error;
    }
    if (end < to || tailStart < end) {
      const first = from < start ? tailStart : Math.max(from, end - (end & mask));
      const error = yield* this.#content.read(request, buffer, first - from, first, to);
      if (error < 0) return error;
    }
    if (source === ZEROS) bytes.fill(0, start - from, end - from);
    else bytes.set(this.#memory.bytes.subarray(source, source + end - start), start - from);
    return 0;
  }

  /** Place of the slice for `offset` in a table that may be changed; or -errno. */
  *#prepare(request: number, offset: number): Task {
    const { layer } = this.writer;
    const { l2Coverage, sliceCoverage } = layer.geometry;
    const l1Index = Math.floor(offset / l2Coverage);
    const extent = newExtent();
    for (;;) {
      let error = 0;
      if (!this.writer.ownsTable(l1Index)) error = yield* this.#makeTable(request, l1Index);
      else {
        const place = layer.cache.find(Math.floor(offset / sliceCoverage));
        if (place !== MISSING) return place;
        layer.map(offset, 1, extent);
        extent.layer = 0;
        error = yield* this.#chain.loadMetadata(request, extent);
      }
      if (error < 0) return error;
    }
  }

  /** A table of the disk's own: a new one, or a copy of one that a snapshot has too. */
  *#makeTable(request: number, l1Index: number): Task {
    if (this.#tables.has(l1Index)) {
      this.#waiters.add(l1Index, request);
      yield PENDING;
      return 0;
    }
    this.#tables.add(l1Index);
    const old = this.writer.layer.l1[l1Index]!;
    let host = yield* this.#allocate(request);
    if (host >= 0 && old !== 0) {
      const error = yield* this.#copyCluster(request, old, host);
      if (error < 0) host = error;
    }
    if (host >= 0) this.writer.setTable(l1Index, host);
    this.#tables.delete(l1Index);
    this.#waiters.wake(l1Index);
    return Math.min(host, 0);
  }

  *#copyCluster(request: number, from: number, to: number): Task {
    const { clusterBytes } = this.writer.layer.geometry;
    const buffer = yield* this.#buffers.take(request);
    const { address } = buffer;
    const got = yield this.#engine.read(request, this.#file, address, clusterBytes, from, false);
    let result = got;
    if (got >= 0) {
      new Uint8Array(buffer.buffer).fill(0, got, clusterBytes);
      result = yield* this.#writeAll(request, address, clusterBytes, to);
    }
    this.#buffers.release(buffer);
    return Math.min(result, 0);
  }

  /** Host offset of a new cluster, or -errno. */
  *#allocate(request: number): Task {
    const { allocator } = this.writer;
    for (;;) {
      const host = allocator.allocate();
      if (host === TABLE_FULL) return -ERRNO.ENOSPC;
      if (host !== NEEDS_BLOCK) return host;
      const error = yield* this.#loadBlock(request, allocator.wanted);
      if (error < 0) return error;
    }
  }

  *#loadBlock(request: number, index: number): Task {
    const { allocator, layer } = this.writer;
    const { clusterBytes } = layer.geometry;
    const buffer = yield* this.#buffers.take(request);
    const offset = allocator.table[index]!;
    const { address } = buffer;
    const got = yield this.#engine.read(request, this.#file, address, clusterBytes, offset, false);
    if (got >= 0) {
      const block = new Uint8Array(buffer.buffer).slice(0, clusterBytes);
      allocator.loaded(index, block.fill(0, got));
    }
    this.#buffers.release(buffer);
    return Math.min(got, 0);
  }

  /** A refcount block by a call that waits: when nothing else is under way. */
  // biome-ignore lint/correctness/useYield: it never has to wait, but must look like one that does.
  *loadBlockNow(descriptor: number, index: number): Task {
    const { allocator, layer } = this.writer;
    const { clusterBytes } = layer.geometry;
    const { address, buffer } = mapAnonymous(clusterBytes);
    const got = pread(descriptor, address, clusterBytes, allocator.table[index]!);
    if (got < 0) return got;
    allocator.loaded(index, new Uint8Array(buffer));
    return 0;
  }

  *#writeAll(request: number, address: number, length: number, offset: number): Task {
    for (let done = 0; done < length; ) {
      const to = offset + done;
      const rest = length - done;
      const got = yield this.#engine.write(request, this.#file, address + done, rest, to, false);
      if (got <= 0) return got === 0 ? -ERRNO.EIO : got;
      done += got;
    }
    return 0;
  }

  *#punch(request: number, at: number, host: number, bytes: number): Task {
    const mode = FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE;
    const result = yield this.#engine.allocate(request, this.#file, mode, host, bytes);
    if (result !== -ERRNO.EOPNOTSUPP) return result;
    return Math.min(0, yield* this.write(request, at, bytes, ZEROS));
  }

  /** Zeros for a part of a cluster that is not a range of its own: compressed, shared, or below. */
  *#zeroCluster(request: number, at: number, bytes: number): Task {
    const { layer } = this.writer;
    const { clusterBytes } = layer.geometry;
    const base = at - (at % clusterBytes);
    const end = Math.min(base + clusterBytes, layer.size);
    // What lies around it may be zeros as well; then no cluster has to be written.
    const isWhole =
      (yield* this.#content.isZero(request, base, at)) === 1 &&
      (yield* this.#content.isZero(request, at + bytes, end)) === 1;
    if (!isWhole || layer.layout.version === 2) {
      return Math.min(0, yield* this.write(request, at, bytes, ZEROS));
    }
    const place = yield* this.#prepare(request, at);
    if (place < 0) return place;
    this.writer.linkZero(place, at);
    return yield* this.#relieve(request);
  }

  /** Writes metadata back before so much of it is dirty that the cache has no room left. */
  *#relieve(request: number): Task {
    const { dirtySlices, layer } = this.writer;
    const { places } = layer.cache;
    const holdsAll = places * layer.geometry.sliceCoverage >= layer.size;
    return !holdsAll && dirtySlices * 2 > places ? yield* this.flush(request) : 0;
  }
}

/** A cluster that takes a range: offsets of the disk but for `host`. */
interface ClusterTarget {
  base: number;
  host: number;
  from: number;
  to: number;
  /** Never used before: it reads as zeros. */
  fresh: boolean;
  inPlace: boolean;
}
