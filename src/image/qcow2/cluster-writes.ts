import type { Memory } from '../../buffers/memory.js';
import type { Engine, Task } from '../../host/engine.js';
import { readAll, writeAll } from '../../host/transfer-all.js';
import { FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE } from '../../sys/constants.js';
import type { Mapping } from '../../sys/memory.js';
import { ERRNO } from '../../util/errno.js';
import { Buffers } from '../buffers.js';
import type { DriverIo } from '../driver.js';
import type { Layers } from '../layers.js';
import type { QcowLayer } from './qcow-layer.js';

/** The source of a write of zeros. */
export const ZEROS = -1;

/**
 * If the zeros around the new bytes in a reused cluster are fewer than this, they are written. That is
 * cheaper than a call that makes the cluster a hole first.
 */
const PUNCH_MIN_BYTES = 32 << 10;

/** The state of a cluster before it is written. */
export type ClusterState =
  /** Never used: it reads as zeros. */
  | 'fresh'
  /** Reused: it still has old contents. */
  | 'used'
  /** It belongs to the disk, and its other bytes stay. */
  | 'in place'
  /** It belongs to the disk, but its present contents are not valid. */
  | 'linked';

/** The cluster for a range. `host` is a host offset; the others are offsets in the disk. */
export interface ClusterTarget {
  base: number;
  host: number;
  from: number;
  to: number;
  state: ClusterState;
}

/** The image's own file. */
export interface OwnFile {
  /** The engine's handle of the file. */
  file: number;
  /** Size of the file, bytes. */
  hostSize: number;
  /** Holes in the file are multiples of this, bytes. */
  holeUnit: number;
}

/** Writes new bytes to clusters of an image, together with the old bytes around them. */
export class ClusterWrites {
  readonly #layer: QcowLayer;
  readonly #layers: Layers;
  readonly #engine: Engine;
  readonly #memory: Memory;
  readonly #file: number;
  readonly #dataFile: number;
  readonly #alignment: number;
  readonly #holeUnit: number;
  readonly #buffers: Buffers;
  /** The host can punch holes. Found out by trying. */
  #punches = true;

  /** @param layers The backing chain, from which old bytes are read. */
  constructor(layer: QcowLayer, layers: Layers, own: OwnFile, io: DriverIo) {
    this.#layer = layer;
    this.#holeUnit = own.holeUnit;
    this.#layers = layers;
    this.#engine = io.engine;
    this.#memory = io.memory;
    this.#file = own.file;
    this.#dataFile = layer.dataFile;
    this.#alignment = layers.alignment;
    this.#buffers = new Buffers(layer.geometry.clusterBytes + 4096, io.resume, io.mappings);
  }

  /** Writes bytes `start` to `end` of the disk, and the other bytes of their cluster where needed. */
  *write(request: number, target: ClusterTarget, start: number, end: number, source: number): Task {
    const { base, host } = target;
    const error = yield* this.#narrow(request, target, start, end);
    if (error < 0) return error;
    const { from, to } = target;
    const address = this.#memory.address + source;
    if (from === start && to === end && source !== ZEROS && address % this.#alignment === 0) {
      return yield* this.#writeData(request, address, end - start, host + start - base);
    }
    const buffer = yield* this.#buffers.take(request);
    let result = yield* this.#assemble(request, buffer, from, to, start, end, source);
    if (result === 0) {
      result = yield* this.#writeData(request, buffer.address, to - from, host + from - base);
    }
    this.#buffers.release(buffer);
    return result;
  }

  #writeData(request: number, address: number, length: number, offset: number): Task {
    return writeAll(this.#engine, request, this.#dataFile, address, length, offset);
  }

  /** Copies a whole cluster within the image's file. */
  *copy(request: number, from: number, to: number): Task {
    const { clusterBytes } = this.#layer.geometry;
    const buffer = yield* this.#buffers.take(request);
    const { address } = buffer;
    const got = yield* readAll(this.#engine, request, this.#file, address, clusterBytes, from);
    let result = got;
    if (got >= 0) {
      new Uint8Array(buffer.buffer).fill(0, got, clusterBytes);
      result = yield* writeAll(this.#engine, request, this.#file, address, clusterBytes, to);
    }
    this.#buffers.release(buffer);
    return Math.min(result, 0);
  }

  /** Makes a whole cluster of the image's file zeros: by a hole, or by writing them. */
  *clear(request: number, host: number): Task {
    const { clusterBytes } = this.#layer.geometry;
    const punched = yield* this.#punch(request, this.#file, host, clusterBytes);
    return punched === -ERRNO.EOPNOTSUPP ? yield* this.writeZeros(request, host) : punched;
  }

  /** Writes a cluster of zeros, which takes room where a hole takes none. */
  *writeZeros(request: number, host: number): Task {
    const { clusterBytes } = this.#layer.geometry;
    const buffer = yield* this.#buffers.take(request);
    new Uint8Array(buffer.buffer).fill(0);
    const { address } = buffer;
    const result = yield* writeAll(this.#engine, request, this.#file, address, clusterBytes, host);
    this.#buffers.release(buffer);
    return result;
  }

  /** Makes a range of data a hole; -EOPNOTSUPP if zeros must be written instead. */
  punch(request: number, host: number, bytes: number): Task {
    return this.#punch(request, this.#dataFile, host, bytes);
  }

  *#punch(request: number, file: number, host: number, bytes: number): Task {
    const mode = FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE;
    const isWhole = host % this.#holeUnit === 0 && bytes % this.#holeUnit === 0;
    if (!this.#punches || !isWhole) return -ERRNO.EOPNOTSUPP;
    const result = yield this.#engine.allocate(request, file, mode, host, bytes);
    if (result === -ERRNO.EOPNOTSUPP) this.#punches = false;
    return result;
  }

  /**
   * Shortens a target to the bytes that must be written. In a cluster that reads as zeros, old zeros can
   * be left out; in one that is written in place, all old bytes. Only whole blocks are left out.
   */
  *#narrow(request: number, target: ClusterTarget, start: number, end: number): Task {
    // A data file ends with the disk, within the last cluster.
    if (this.#dataFile !== this.#file) target.to = Math.min(target.to, this.#blockEnd());
    const { from, to, state } = target;
    if (state === 'linked') return 0;
    const inPlace = state === 'in place';
    const zeroHead = inPlace || (yield* this.#layers.isZero(request, from, start)) === 1;
    const zeroTail = inPlace || (yield* this.#layers.isZero(request, end, to)) === 1;
    if (state === 'used') {
      const spared = (zeroHead ? start - from : 0) + (zeroTail ? to - end : 0);
      if (spared < PUNCH_MIN_BYTES) return 0;
      const { clusterBytes } = this.#layer.geometry;
      const error = yield* this.punch(request, target.host, clusterBytes);
      if (error === -ERRNO.EOPNOTSUPP) return 0;
      if (error < 0) return error;
    }
    const mask = this.#alignment - 1;
    const clusterEnd = target.base + this.#layer.geometry.clusterBytes;
    if (zeroHead) target.from = start - (start & mask);
    if (zeroTail) target.to = Math.min(clusterEnd, end + (-end & mask));
    return 0;
  }

  /** The end of the last block of the disk. */
  #blockEnd(): number {
    return Math.ceil(this.#layer.size / this.#alignment) * this.#alignment;
  }

  /** Reads the old bytes `from` to `to` into a buffer and puts the new bytes `start` to `end` over them. */
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
      const error = yield* this.#layers.read(request, buffer, 0, from, headEnd);
      if (error < 0) return error;
    }
    if (end < to || tailStart < end) {
      const first = from < start ? tailStart : Math.max(from, end - (end & mask));
      const error = yield* this.#layers.read(request, buffer, first - from, first, to);
      if (error < 0) return error;
    }
    if (source === ZEROS) bytes.fill(0, start - from, end - from);
    else bytes.set(this.#memory.bytes.subarray(source, source + end - start), start - from);
    return 0;
  }
}
