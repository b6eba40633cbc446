import type { Engine, Task } from '../host/engine.js';
import type { Mapping } from '../sys/memory.js';
import { ERRNO } from '../util/errno.js';
import type { Layer } from './driver.js';
import {
  BROKEN,
  COMPRESSED,
  type Extent,
  METADATA,
  newExtent,
  UNALLOCATED,
  ZERO,
} from './extent.js';
import type { Inflater } from './inflater.js';
import { type Readable, readRange } from './read-range.js';

/**
 * An image and its backing files, as they read together. A range belongs to the first layer from the
 * top that has it. A layer that ends early reads as zeros from there, and hides the bytes of the layers
 * below it: QEMU's rule of block status (bdrv_co_common_block_status_above).
 */
export class Layers implements Readable {
  readonly layers: readonly Layer[];
  readonly alignment: number;
  readonly #engine: Engine;
  readonly #inflater: Inflater;

  /**
   * @param layers At least one: the image itself first, then its backing file, and so on.
   * @param alignment Of I/O of the host files, bytes.
   */
  constructor(layers: readonly Layer[], engine: Engine, inflater: Inflater, alignment: number) {
    this.layers = layers;
    this.alignment = alignment;
    this.#engine = engine;
    this.#inflater = inflater;
  }

  /** The image itself. While it grows it is ahead of the size that is shown. */
  get top(): Layer {
    return this.layers[0]!;
  }

  /** Any kind but UNALLOCATED; see `Driver.map`. */
  map(offset: number, length: number, extent: Extent): void {
    const { layers } = this;
    let bytes = length;
    for (let index = 0; ; index++) {
      extent.layer = index;
      layers[index]!.map(offset, bytes, extent);
      if (extent.kind !== UNALLOCATED) return;
      const below = layers[index + 1];
      if (below === undefined || offset >= below.size) break;
      bytes = Math.min(extent.length, below.size - offset);
    }
    extent.kind = ZERO;
    extent.present = false;
  }

  /** Maps with metadata loaded: DATA, ZERO or COMPRESSED. 0 or -errno. */
  *mapLoaded(request: number, offset: number, length: number, extent: Extent): Task {
    for (;;) {
      this.map(offset, length, extent);
      if (extent.kind === BROKEN) return -ERRNO.EIO;
      if (extent.kind !== METADATA) return 0;
      const error = yield* this.layers[extent.layer]!.load(request, extent);
      if (error < 0) return error;
    }
  }

  *locate(request: number, offset: number, length: number, extent: Extent): Task {
    for (;;) {
      const error = yield* this.mapLoaded(request, offset, length, extent);
      if (error < 0) return error;
      if (extent.kind !== COMPRESSED || this.#inflater.find(extent) !== undefined) return 0;
      const { inflation } = this.layers[extent.layer]!;
      const failed = yield* this.#inflater.load(request, extent, inflation!);
      if (failed < 0) return failed;
    }
  }

  inflated(extent: Extent): Uint8Array {
    return this.#inflater.find(extent)!;
  }

  /** 1 if the image reads as zeros there without a look at data, else 0; or -errno. */
  *isZero(request: number, from: number, to: number): Task {
    const extent = newExtent();
    const end = Math.min(to, this.top.size);
    for (let at = from; at < end; at += extent.length) {
      const error = yield* this.mapLoaded(request, at, end - at, extent);
      if (error < 0) return error;
      if (extent.kind !== ZERO) return 0;
    }
    return 1;
  }

  /** Reads bytes `from` to `to` into a buffer at `at`; past the end of the image: zeros. 0 or -errno. */
  *read(request: number, buffer: Mapping, at: number, from: number, to: number): Task {
    const bytes = new Uint8Array(buffer.buffer);
    const end = Math.max(from, Math.min(to, this.top.size));
    const target = { address: buffer.address, bytes };
    const got = yield* readRange(this, this.#engine, target, request, from, end - from, at, 0);
    bytes.fill(0, at + end - from, at + to - from);
    return Math.min(got, 0);
  }
}
