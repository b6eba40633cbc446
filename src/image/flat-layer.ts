import type { Task } from '../host/engine.js';
import { ERRNO } from '../util/errno.js';
import type { Layer } from './driver.js';
import { DATA, type Extent } from './extent.js';

/** An image that is a range of its host file, byte for byte, as a layer. */
export class FlatLayer implements Layer {
  readonly size: number;
  /** QEMU calls all of it data, so `sluice map` does, and tells which is zero. */
  readonly hasHostHoles = false;
  readonly inflation = null;
  readonly #file: number;
  readonly #start: number;

  /**
   * @param file The engine's handle of the host file.
   * @param start Where the image begins there, bytes.
   */
  constructor(file: number, start: number, size: number) {
    this.#file = file;
    this.#start = start;
    this.size = size;
  }

  map(offset: number, length: number, extent: Extent): void {
    extent.kind = DATA;
    extent.file = this.#file;
    extent.offset = this.#start + offset;
    extent.length = length;
    extent.present = true;
  }

  // biome-ignore lint/correctness/useYield: there is no metadata, so it never waits.
  *load(): Task {
    return -ERRNO.EIO;
  }
}
