import type { Engine, Task } from '../host/engine.js';
import type { Mapping } from '../sys/memory.js';
import { ERRNO } from '../util/errno.js';
import type { Chain } from './chain.js';
import { BROKEN, COMPRESSED, DATA, type Extent, METADATA, newExtent, ZERO } from './image.js';

/** What a disk of layers contains, for those who copy it: reads into memory of their own. */
export class ChainContent {
  readonly #chain: Chain;
  readonly #engine: Engine;
  readonly #alignment: number;

  /** @param alignment Of reads of its host files, bytes. */
  constructor(chain: Chain, engine: Engine, alignment: number) {
    this.#chain = chain;
    this.#engine = engine;
    this.#alignment = alignment;
  }

  /** Of the image itself: it may be ahead of what is shown, while the disk grows. */
  get #size(): number {
    return this.#chain.image.layers[0]!.size;
  }

  /** Maps, with metadata loaded and compressed clusters at hand. 0 or -errno. */
  *map(request: number, offset: number, length: number, extent: Extent): Task {
    for (;;) {
      this.#chain.image.map(offset, length, extent);
      let error = 0;
      if (extent.kind === BROKEN) return -ERRNO.EIO;
      if (extent.kind === METADATA) error = yield* this.#chain.loadMetadata(request, extent);
      else if (extent.kind === COMPRESSED && this.#chain.findInflated(extent) === undefined) {
        error = yield* this.#chain.inflate(request, extent);
      } else return 0;
      if (error < 0) return error;
    }
  }

  /** 1 if the disk reads as zeros there without looking at data, else 0; or -errno. */
  *isZero(request: number, from: number, to: number): Task {
    const extent = newExtent();
    const end = Math.min(to, this.#size);
    for (let at = from; at < end; at += extent.length) {
      const error = yield* this.map(request, at, end - at, extent);
      if (error < 0) return error;
      if (extent.kind !== ZERO) return 0;
    }
    return 1;
  }

  /** Reads the disk's bytes `from` to `to` into a buffer at `at`; past the end of the disk: zeros. */
  *read(request: number, buffer: Mapping, at: number, from: number, to: number): Task {
    const bytes = new Uint8Array(buffer.buffer);
    const extent = newExtent();
    bytes.fill(0, at, at + to - from);
    const end = Math.min(to, this.#size);
    for (let offset = from; offset < end; offset += extent.length) {
      const error = yield* this.map(request, offset, end - offset, extent);
      if (error < 0) return error;
      const place = at + offset - from;
      if (extent.kind === DATA) {
        const mask = this.#alignment - 1;
        const length = (extent.length + mask) & ~mask;
        const address = buffer.address + place;
        const { file } = extent;
        const got = yield this.#engine.read(request, file, address, length, extent.offset, false);
        if (got < 0) return got;
        // A short answer is the end of the file: zeros.
        bytes.fill(0, place + Math.min(got, extent.length), place + length);
      } else if (extent.kind === COMPRESSED) {
        const cluster = this.#chain.findInflated(extent)!;
        bytes.set(cluster.subarray(extent.skip, extent.skip + extent.length), place);
      }
    }
    return 0;
  }
}
