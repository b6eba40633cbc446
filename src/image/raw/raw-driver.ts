import type { HostStatus, Task } from '../../host/engine.js';
import { NO_TIMES } from '../../host/host-times.js';
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
import { UnalignedWrites } from '../unaligned-writes.js';
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
  readonly #blocks: UnalignedWrites;
  #loss = 0;

  constructor({ file, hostSize, alignment, blockDevice, shared = false }: RawFile, io: DriverIo) {
    this.#io = io;
    this.#layer = new RawLayer(file, hostSize);
    this.#file = file;
    this.#blockDevice = blockDevice;
    this.#shared = shared;
    this.alignment = alignment;
    this.lockUnit = alignment;
    this.#blocks = new UnalignedWrites(io, alignment, (offset, length, extent) => {
      extent.file = file;
      extent.offset = offset;
      extent.length = length;
    });
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

  /**
   * A failed write behind the end may have made the file longer. The disk then ends where the file does, or a
   * discard of the bytes written there would leave them, and the next mount would show them.
   */
  *writeFailed(request: number, end: number): Task {
    if (end <= this.size) return 0;
    const status = { size: 0, allocated: 0, times: NO_TIMES };
    const result = yield this.#io.engine.status(request, this.#file, status);
    if (result === 0 && !this.#blockDevice) this.written(status.size);
    return result;
  }

  hostGrew(hostSize: number): void {
    this.written(hostSize);
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

  *write(request: number, offset: number, length: number, source: number): Task {
    const written = yield* this.#blocks.write(request, offset, length, source, this.size);
    if (written > 0) this.written(offset + written);
    else yield* this.writeFailed(request, offset + length);
    return written;
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
      // As in `grow`.
      if (result === 0 && !keepsSize && end > this.size) {
        result = yield engine.allocate(request, file, 0, end - 1, 1);
      }
    }
    const zeroes = (mode & (FALLOC_PUNCH_HOLE | FALLOC_ZERO_RANGE)) !== 0;
    // The kernel has no other way to zero a part of a block on such a host.
    const isWhole = ((offset | length) & (this.alignment - 1)) === 0;
    if (result === -ERRNO.EOPNOTSUPP && zeroes && isWhole) {
      result = yield* this.#blocks.writeZeros(request, offset, length, this.size);
    }
    if (result >= 0 && !keepsSize) this.written(end);
    else yield* this.writeFailed(request, end);
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

  /**
   * Writes need no locks here, and ftruncate would cut what one of them has put behind `size` meanwhile. fallocate sets the
   * last byte aside and never makes a file shorter.
   */
  *grow(request: number, size: number): Task {
    return size <= this.size ? 0 : yield* this.allocate(request, 0, size - 1, 1);
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
}
