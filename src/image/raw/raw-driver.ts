import { MAX_IO_BYTES, SLOT_DATA, SLOT_EDGES } from '../../buffers/memory.js';
import type { HostStatus, Task } from '../../host/engine.js';
import {
  FALLOC_KEEP_SIZE,
  FALLOC_PUNCH_HOLE,
  FALLOC_ZERO_RANGE,
  SEEK_DATA,
  SEEK_HOLE,
} from '../../sys/constants.js';
import { ERRNO } from '../../util/errno.js';
import type { Driver, DriverIo } from '../driver.js';
import { DATA, type Extent } from '../extent.js';
import { type Readable, readRange } from '../read-range.js';
import { RawLayer } from './raw-layer.js';

/** Host file of a raw image. */
export interface RawFile {
  /** The engine's handle of it. */
  file: number;
  /** Its size, bytes. */
  hostSize: number;
  /** See `Driver.alignment`. */
  alignment: number;
  blockDevice: boolean;
  /** Others write the file meanwhile: its size is what `status` has found, to the byte; missing: no. */
  shared?: boolean;
}

/**
 * A raw image: byte for byte the host file. Its size is the file's, rounded up to whole sectors; the
 * part past the end of the file reads as zeros and is a hole.
 *
 * With an alignment above 1 (O_DIRECT) the host transfers whole blocks only. Where they are larger than a
 * sector, the image ends with one and cannot grow, or a write near its end would make the file longer than the
 * image.
 */
export class RawDriver implements Driver, Readable {
  readonly alignment: number;
  readonly lockUnit: number;
  readonly shrinks = true;
  readonly delaysMetadata = false;
  readonly #io: DriverIo;
  readonly #layer: RawLayer;
  readonly #file: number;
  readonly #blockDevice: boolean;
  readonly #shared: boolean;
  #loss = 0;

  constructor({ file, hostSize, alignment, blockDevice, shared = false }: RawFile, io: DriverIo) {
    this.#io = io;
    this.#layer = new RawLayer(file, hostSize);
    this.#file = file;
    this.#blockDevice = blockDevice;
    this.#shared = shared;
    this.alignment = alignment;
    this.lockUnit = alignment;
  }

  get size(): number {
    return this.#shared ? this.#layer.hostSize : this.#layer.size;
  }

  map(offset: number, length: number, extent: Extent): void {
    this.#layer.map(offset, length, extent);
  }

  mapWrite(offset: number, length: number, extent: Extent): boolean {
    extent.kind = DATA;
    extent.file = this.#file;
    extent.offset = offset;
    extent.length = length;
    return ((offset | length) & (this.alignment - 1)) === 0;
  }

  written(end: number): void {
    if (end > this.#layer.hostSize) this.#layer.resize(end);
  }

  // biome-ignore lint/correctness/useYield: the place of a range is always known.
  *locate(_request: number, offset: number, length: number, extent: Extent): Task {
    this.map(offset, length, extent);
    return 0;
  }

  inflated(): Uint8Array {
    throw new Error('a raw image has no compressed clusters');
  }

  read(request: number, offset: number, length: number, at: number, done: number): Task {
    const { engine, memory } = this.#io;
    return readRange(this, engine, memory, request, offset, length, at, done);
  }

  /**
   * Read, modify, write: moves the payload to its place within whole blocks, fills the edges from the
   * host file, writes the blocks. The caller has an exclusive lock on them.
   */
  *write(request: number, offset: number, length: number, source: number): Task {
    const { bytes } = this.#io.memory;
    const mask = this.alignment - 1;
    const before = offset & mask;
    const whole = (before + length + mask) & ~mask;
    const after = whole - before - length;
    const block = offset - before;
    const slot = this.#io.slotOf(request);
    const data = slot + SLOT_DATA;
    const edge = slot + SLOT_EDGES;
    bytes.copyWithin(data + before, source, source + length);
    if (before > 0) {
      const error = yield* this.#readBlock(request, edge, block);
      if (error < 0) return error;
      bytes.copyWithin(data, edge, edge + before);
    }
    if (after > 0) {
      const error = yield* this.#readBlock(request, edge, block + whole - this.alignment);
      if (error < 0) return error;
      const tail = edge + this.alignment - after;
      bytes.copyWithin(data + before + length, tail, tail + after);
    }
    const got = yield* this.#writeAll(request, data, whole, block);
    if (got < 0) return got;
    const written = Math.min(length, Math.max(0, got - before));
    if (written > 0) this.written(offset + written);
    return written;
  }

  /**
   * Reads the block at `offset`. A block is the least that the host gives, so a shorter answer means
   * that the file ends there: the rest is zeros. 0 or more, or -errno.
   */
  *#readBlock(request: number, at: number, offset: number): Task {
    const { engine, memory } = this.#io;
    memory.bytes.fill(0, at, at + this.alignment);
    if (offset >= this.size) return 0;
    const address = memory.address + at;
    return yield engine.read(request, this.#file, address, this.alignment, offset, false);
  }

  /** Writes whole blocks. Returns bytes written; -errno only if that is none. */
  *#writeAll(request: number, source: number, length: number, offset: number): Task {
    const { engine, memory } = this.#io;
    for (let done = 0; done < length; ) {
      const address = memory.address + source + done;
      const rest = length - done;
      const result = yield engine.write(request, this.#file, address, rest, offset + done, false);
      if (result <= 0) return done > 0 ? done : result === 0 ? -ERRNO.EIO : result;
      done += result;
    }
    return length;
  }

  /** Zeros are written where the host can neither zero nor punch. */
  *allocate(request: number, mode: number, offset: number, length: number): Task {
    const { engine } = this.#io;
    const file = this.#file;
    // A block device has no size to keep, and refuses a mode that says otherwise.
    const wanted = this.#blockDevice ? mode | FALLOC_KEEP_SIZE : mode;
    const end = offset + length;
    const keepsSize = (mode & FALLOC_KEEP_SIZE) !== 0;
    let result = yield engine.allocate(request, file, wanted, offset, length);
    if (result === -ERRNO.EOPNOTSUPP && (mode & FALLOC_ZERO_RANGE) !== 0) {
      const punch = FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE;
      result = yield engine.allocate(request, file, punch, offset, length);
      if (result === 0 && !keepsSize && end > this.size) {
        result = yield engine.resize(request, file, end);
      }
    }
    const zeroes = (mode & (FALLOC_PUNCH_HOLE | FALLOC_ZERO_RANGE)) !== 0;
    if (result === -ERRNO.EOPNOTSUPP && zeroes) {
      result = yield* this.#writeZeros(request, offset, length);
    }
    if (result >= 0 && !keepsSize) this.written(end);
    return Math.min(result, 0);
  }

  /** A block device knows no holes: it is data up to its end. */
  *seek(request: number, offset: number, whence: number): Task {
    if (this.#blockDevice) return whence === SEEK_DATA ? offset : this.size;
    const result = yield this.#io.engine.seek(request, this.#file, offset, whence);
    // The image may have been cut meanwhile.
    if (offset >= this.size) return -ERRNO.ENXIO;
    // The host knows nothing at or past its end of file. There the image has a tail, a hole.
    return whence === SEEK_HOLE && result === -ERRNO.ENXIO ? offset : result;
  }

  *resize(request: number, size: number): Task {
    const result = yield this.#io.engine.resize(request, this.#file, size);
    if (result === 0) this.#layer.resize(size);
    return result;
  }

  *flush(request: number, dataOnly: boolean): Task {
    const result = yield this.#io.engine.flush(request, this.#file, dataOnly);
    if (result < 0) this.#loss = -result;
    return result;
  }

  *setTimes(request: number, times: Uint8Array): Task {
    return yield this.#io.engine.setTimes(request, this.#file, times);
  }

  *status(request: number, status: HostStatus): Task {
    const result = yield this.#io.engine.status(request, this.#file, status);
    if (this.#shared && result === 0) this.#layer.resize(status.size);
    return result;
  }

  takeLoss(): number {
    const loss = this.#loss;
    this.#loss = 0;
    return loss;
  }

  *close(request: number, dirty: boolean): Task {
    return dirty || this.#shared ? yield* this.flush(request, false) : 0;
  }

  /** Whole blocks only: the kernel has no other way to zero a part of a block on such a host. */
  *#writeZeros(request: number, offset: number, length: number): Task {
    if (((offset | length) & (this.alignment - 1)) !== 0) return -ERRNO.EOPNOTSUPP;
    const { memory } = this.#io;
    const zeros = this.#io.slotOf(request) + SLOT_DATA;
    memory.bytes.fill(0, zeros, zeros + MAX_IO_BYTES);
    for (let done = 0; done < length; ) {
      const bytes = Math.min(MAX_IO_BYTES, length - done);
      const result = yield* this.#writeAll(request, zeros, bytes, offset + done);
      if (result < 0) return result;
      done += result;
    }
    return 0;
  }
}
