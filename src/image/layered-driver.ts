import type { HostStatus, Task } from '../host/engine.js';
import { FALLOC_PUNCH_HOLE, FALLOC_ZERO_RANGE } from '../sys/constants.js';
import { ERRNO } from '../util/errno.js';
import type { Driver, DriverIo, LayerWriter } from './driver.js';
import { type Extent, roundUpToSector } from './extent.js';
import { seekLayers } from './holes.js';
import type { Layers } from './layers.js';
import { readRange } from './read-range.js';

/**
 * An image of a format with metadata, and its backing files. The layers say where a range lives; the
 * format of the top layer writes. Layers below the top one are never changed.
 */
export class LayeredDriver implements Driver {
  size: number;
  readonly alignment: number;
  readonly lockUnit: number;
  /** Bytes behind the end that an image had before might come back. */
  readonly shrinks = false;
  readonly delaysMetadata: boolean;
  readonly layers: Layers;
  readonly #writer: LayerWriter | null;
  readonly #io: DriverIo;
  readonly #file: number;

  /**
   * @param file The engine's handle of the image's own file.
   * @param writer Null while the image is read-only.
   */
  constructor(layers: Layers, writer: LayerWriter | null, file: number, io: DriverIo) {
    this.layers = layers;
    this.#writer = writer;
    this.#file = file;
    this.#io = io;
    this.size = layers.top.size;
    this.alignment = layers.alignment;
    this.lockUnit = writer?.lockUnit ?? 1;
    this.delaysMetadata = writer !== null;
  }

  map(offset: number, length: number, extent: Extent): void {
    this.layers.map(offset, length, extent);
  }

  mapWrite(offset: number, length: number, extent: Extent): boolean {
    // Behind the end there may be clusters that are not part of the image yet.
    if (offset + length > this.size) return false;
    if (((offset | length) & (this.alignment - 1)) !== 0) return false;
    return this.#writer!.mapWrite(offset, length, extent);
  }

  /** Writes in place never change the size. */
  written(): void {}

  /** The size is in the metadata. */
  hostGrew(): void {}

  read(request: number, offset: number, length: number, at: number, done: number): Task {
    const { engine, memory } = this.#io;
    return readRange(this.layers, engine, memory, request, offset, length, at, done);
  }

  *write(request: number, offset: number, length: number, source: number): Task {
    const grown = yield* this.#grow(request, offset + length);
    return grown < 0 ? grown : yield* this.#writer!.write(request, offset, length, source);
  }

  /** Setting room aside (mode 0) is refused, as QEMU does within an image. */
  *allocate(request: number, mode: number, offset: number, length: number): Task {
    const zeroes = (mode & (FALLOC_PUNCH_HOLE | FALLOC_ZERO_RANGE)) !== 0;
    if (!zeroes) return -ERRNO.EOPNOTSUPP;
    const grown = yield* this.#grow(request, offset + length);
    return grown < 0 ? grown : yield* this.#writer!.zero(request, offset, length);
  }

  seek(request: number, offset: number, whence: number): Task {
    return seekLayers(this.layers, this.#io.engine, request, offset, this.size, whence);
  }

  *resize(request: number, size: number): Task {
    return roundUpToSector(size) < this.size ? -ERRNO.EPERM : yield* this.#grow(request, size);
  }

  flush(request: number): Task {
    return this.#writer!.flush(request);
  }

  *setTimes(request: number, times: Uint8Array): Task {
    return yield this.#io.engine.setTimes(request, this.#file, times);
  }

  *status(request: number, status: HostStatus): Task {
    return yield this.#io.engine.status(request, this.#file, status);
  }

  takeLoss(): number {
    return this.#writer!.takeLoss();
  }

  close(request: number): Task {
    return this.#writer!.close(request);
  }

  *#grow(request: number, size: number): Task {
    if (size <= this.size) return 0;
    const result = yield* this.#writer!.grow(request, size);
    if (result === 0) this.size = this.layers.top.size;
    return result;
  }
}
