import { type Engine, PENDING, type Task } from '../../host/engine.js';
import { ERRNO } from '../../util/errno.js';
import type { DriverIo, LayerWriter } from '../driver.js';
import { DATA, type Extent, newExtent, ZERO } from '../extent.js';
import type { Layers } from '../layers.js';
import { MISSING } from '../slice-cache.js';
import { Waiters } from '../waiters.js';
import { type ClusterTarget, ClusterWrites, type OwnFile, ZEROS } from './cluster-writes.js';
import { Flushes } from './flushes.js';
import { FreshTables } from './fresh-tables.js';
import { grow } from './growth.js';
import type { QcowWriter } from './qcow-writer.js';
import type { RefcountIo } from './refcount-io.js';

/** Key of requests that wait for a flush; other keys are L1 indices. */
const FLUSH = -1;

/**
 * The writes to a qcow2 image that need more than one transfer: allocation, copies of the bytes around
 * the new ones, zeros. The caller must hold an exclusive lock on the affected clusters.
 */
export class QcowWrites implements LayerWriter {
  readonly lockUnit: number;
  readonly #writer: QcowWriter;
  readonly #layers: Layers;
  readonly #engine: Engine;
  readonly #file: number;
  readonly #clusters: ClusterWrites;
  readonly #refcounts: RefcountIo;
  readonly #waiters: Waiters;
  readonly #flushes: Flushes;
  readonly #fresh: FreshTables;
  readonly #watch: () => () => boolean;
  readonly #tables = new Set<number>();
  #flushing = false;

  /** @param layers The backing chain; its top image is written. */
  constructor(layers: Layers, writer: QcowWriter, own: OwnFile, io: DriverIo) {
    const { layer, allocator } = writer;
    allocator.reservesRoom = true;
    this.lockUnit = layer.geometry.clusterBytes;
    this.#layers = layers;
    this.#writer = writer;
    this.#engine = io.engine;
    this.#file = own.file;
    this.#clusters = new ClusterWrites(layer, layers, own, io);
    this.#fresh = new FreshTables(this.#clusters, layer);
    this.#flushes = new Flushes(writer, own, io, this.#fresh);
    this.#refcounts = this.#flushes.refcounts;
    this.#waiters = new Waiters(io.resume);
    this.#watch = io.watch;
  }

  mapWrite(offset: number, length: number, extent: Extent): boolean {
    return this.#writer.mapInPlace(offset, length, extent);
  }

  /** Writes `length` bytes at `offset` from `source`, or zeros; see `Driver.write`. */
  *write(request: number, offset: number, length: number, source: number): Task {
    const { clusterBytes } = this.#writer.layer.geometry;
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

  *grow(request: number, size: number): Task {
    const full = yield* this.#relieveLog(request);
    return full < 0 ? full : yield* grow(this.#writer, this, request, size);
  }

  /** Makes a range read as zeros: punches holes into allocated clusters, makes others zero clusters. */
  *zero(request: number, offset: number, length: number): Task {
    const end = Math.min(offset + length, this.#writer.layer.size);
    const extent = newExtent();
    for (let at = offset; at < end; ) {
      const error = yield* this.#layers.mapLoaded(request, at, end - at, extent);
      if (error < 0) return error;
      const isOwn = extent.kind === DATA && this.#writer.mapInPlace(at, extent.length, extent);
      let result = 0;
      let bytes = extent.length;
      if (isOwn) result = yield* this.#punch(request, at, extent.offset, bytes);
      else if (extent.kind !== ZERO) {
        const { clusterBytes } = this.#writer.layer.geometry;
        bytes = Math.min(end - at, clusterBytes - (at % clusterBytes));
        result = yield* this.#zeroCluster(request, at, bytes);
      }
      if (result < 0) return result;
      at += bytes;
    }
    return 0;
  }

  /** Writes everything that was acknowledged before to the disk. 0 or -errno. */
  flush(request: number): Task {
    return this.#inTurn(request, this.#flushes.once(request, this.#watch, false));
  }

  /** One flush after the other: all of them put what they write into the same place in memory. */
  *#inTurn(request: number, flush: Task): Task {
    while (this.#flushing) {
      this.#waiters.add(FLUSH, request);
      yield PENDING;
    }
    this.#flushing = true;
    const result = yield* flush;
    this.#flushing = false;
    this.#waiters.wake(FLUSH);
    return result;
  }

  /** The last flush, when no other request changes the image. */
  close(request: number): Task {
    return this.#inTurn(request, this.#flushes.close(request));
  }

  /** See `MetadataFlush.takeLoss`. */
  takeLoss(): number {
    return this.#flushes.takeLoss();
  }

  *#writePiece(request: number, start: number, end: number, source: number): Task {
    const writer = this.#writer;
    const full = yield* this.#relieveLog(request);
    const prepared = full < 0 ? full : yield* this.#prepare(request, start);
    if (prepared < 0) return prepared;
    const { clusterBytes } = writer.layer.geometry;
    const base = start - (start % clusterBytes);
    const { host: existing, inPlace, from, to } = writer.makePlan(prepared, start, end);
    const host = existing >= 0 ? existing : yield* this.#allocateData(request, base);
    if (host < 0) return host;
    if (existing >= 0 && writer.isForbidden(host, clusterBytes)) {
      const error = yield* this.#admitBehindEnd(request, host);
      if (error < 0) return error;
    }
    const isNew = existing < 0;
    const isFresh = !writer.hasDataFile && writer.allocator.fresh;
    const unlinked = isFresh ? 'fresh' : 'used';
    const state = inPlace ? 'in place' : isNew ? unlinked : 'linked';
    const target: ClusterTarget = { base, host, from: base + from, to: base + to, state };
    const result = yield* this.#clusters.write(request, target, start, end, source);
    if (result >= 0 && inPlace) return 0;
    const place = result < 0 ? result : yield* this.#prepare(request, start);
    if (place < 0) {
      if (isNew && !writer.hasDataFile) writer.allocator.free(host);
      return place;
    }
    writer.link(place, start, host, from, to);
    return yield* this.#relieve(request);
  }

  /**
   * Allows a write to an existing cluster past the end of the image's file. It reads as zeros. It may be
   * written if its refcount is not 0, because then it is not allocated again. 0, -EIO or another -errno.
   */
  *#admitBehindEnd(request: number, host: number): Task {
    const writer = this.#writer;
    const { allocator } = writer;
    const { clusterBytes } = writer.layer.geometry;
    if (writer.hasDataFile || host + clusterBytes <= allocator.end) return -ERRNO.EIO;
    const cluster = host / clusterBytes;
    const count = yield* this.#refcounts.refcountOf(request, cluster, this.#flushFirst);
    if (count < 1) return -ERRNO.EIO;
    allocator.extendTo(cluster);
    return writer.isForbidden(host, clusterBytes) ? -ERRNO.EIO : 0;
  }

  /** Makes the L2 table for `offset` writable and loads its slice. The slice's place, or -errno. */
  *#prepare(request: number, offset: number): Task {
    const { layer } = this.#writer;
    const { l2Coverage, sliceCoverage } = layer.geometry;
    const l1Index = Math.floor(offset / l2Coverage);
    const extent = newExtent();
    for (;;) {
      let error = 0;
      if (!this.#writer.ownsTable(l1Index)) error = yield* this.#makeTable(request, l1Index);
      else {
        const place = layer.cache.find(Math.floor(offset / sliceCoverage));
        if (place !== MISSING) return place;
        layer.map(offset, 1, extent);
        error = yield* layer.load(request, extent);
      }
      if (error < 0) return error;
    }
  }

  /** Makes a new L2 table, or a copy of one that a snapshot shares. */
  *#makeTable(request: number, l1Index: number): Task {
    if (this.#tables.has(l1Index)) {
      this.#waiters.add(l1Index, request);
      yield PENDING;
      return 0;
    }
    this.#tables.add(l1Index);
    const old = this.#writer.layer.l1[l1Index]!;
    let host = yield* this.#allocate(request);
    if (host >= 0) {
      let error = 0;
      const { fresh } = this.#writer.allocator;
      if (old !== 0) error = yield* this.#clusters.copy(request, old, host);
      else error = yield* this.#reserve(request, host);
      if (error === 0 && old === 0 && !fresh) error = yield* this.#clusters.clear(request, host);
      if (error < 0) {
        this.#writer.allocator.free(host);
        host = error;
      }
    }
    if (host >= 0) {
      this.#writer.setTable(l1Index, host);
      this.#fresh.add(l1Index, host, old);
    }
    this.#tables.delete(l1Index);
    this.#waiters.wake(l1Index);
    return Math.min(host, 0);
  }

  /**
   * Reserves room for a new table now, so that the flush does not find the disk full, and so that the file
   * reaches as far as the tables that its L1 table names. 0 or -errno.
   */
  *#reserve(request: number, host: number): Task {
    const { clusterBytes } = this.#writer.layer.geometry;
    const result = yield this.#engine.allocate(request, this.#file, 0, host, clusterBytes);
    if (result === -ERRNO.EOPNOTSUPP) return yield* this.#clusters.writeZeros(request, host);
    return Math.min(result, 0);
  }

  /** Host offset of a new cluster, or -errno. `Allocator.fresh` then says whether it reads as zeros. */
  #allocate(request: number): Task {
    return this.#refcounts.allocate(request, this.#flushFirst);
  }

  /** Host offset of `clusters` new clusters in a row, or -errno. */
  allocateRun(request: number, clusters: number): Task {
    return this.#refcounts.allocateRun(request, clusters, this.#flushFirst);
  }

  readonly #flushFirst = (request: number): Task => this.flush(request);

  /** Host offset for a cluster of data. In a data file it is the offset of the cluster in the disk. */
  *#allocateData(request: number, base: number): Task {
    return this.#writer.hasDataFile ? base : yield* this.#allocate(request);
  }

  *#punch(request: number, at: number, host: number, bytes: number): Task {
    const result = yield* this.#clusters.punch(request, host, bytes);
    if (result !== -ERRNO.EOPNOTSUPP) return result;
    return yield* this.#writeZeros(request, at, bytes);
  }

  /** Writes zeros to the whole range. 0 or -errno, also if a part was written. */
  *#writeZeros(request: number, at: number, bytes: number): Task {
    for (let done = 0; done < bytes; ) {
      const result = yield* this.write(request, at + done, bytes - done, ZEROS);
      if (result < 0) return result;
      done += result;
    }
    return 0;
  }

  /** Zeroes a part of a cluster that is compressed, shared with a snapshot, or in a lower layer. */
  *#zeroCluster(request: number, at: number, bytes: number): Task {
    const { layer } = this.#writer;
    const { clusterBytes } = layer.geometry;
    const base = at - (at % clusterBytes);
    const end = Math.min(base + clusterBytes, layer.size);
    // If the rest of the cluster reads as zeros too, a zero cluster is enough.
    const isWhole =
      (yield* this.#layers.isZero(request, base, at)) === 1 &&
      (yield* this.#layers.isZero(request, at + bytes, end)) === 1;
    // A raw data file must have the contents of the disk by itself, so zeros must be written to it.
    const { version, dataFileRaw } = layer.layout;
    if (!isWhole || version === 2 || dataFileRaw) {
      return yield* this.#writeZeros(request, at, bytes);
    }
    const full = yield* this.#relieveLog(request);
    const place = full < 0 ? full : yield* this.#prepare(request, at);
    if (place < 0) return place;
    this.#writer.linkZero(place, at);
    return yield* this.#relieve(request);
  }

  /** Writes what a log tells of before it fills the log. Nothing is changed where that fails. 0 or -errno. */
  *#relieveLog(request: number): Task {
    while (this.#writer.log?.isCrowded === true) {
      if (this.#flushing) {
        this.#waiters.add(FLUSH, request);
        yield PENDING;
        continue;
      }
      const result = yield* this.flush(request);
      if (result < 0) return result;
    }
    return 0;
  }

  /** Writes changed slices before they fill the whole cache. */
  *#relieve(request: number): Task {
    const { dirtySlices, layer } = this.#writer;
    const { places } = layer.cache;
    const holdsAll = places * layer.geometry.sliceCoverage >= layer.size;
    return !holdsAll && dirtySlices * 2 > places ? yield* this.flush(request) : 0;
  }
}
