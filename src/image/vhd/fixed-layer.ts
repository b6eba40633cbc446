import type { Task } from '../../host/engine.js';
import { ERRNO } from '../../util/errno.js';
import type { Layer } from '../driver.js';
import { DATA, type Extent } from '../extent.js';

/** A fixed image as a layer: byte for byte its host file, up to the footer. */
export class FixedLayer implements Layer {
  readonly size: number;
  /** QEMU calls all of it data, so `sluice map` does, and tells which is zero. */
  readonly hasHostHoles = false;
  readonly inflation = null;
  readonly #file: number;

  /** @param file The engine's handle of the host file. */
  constructor(file: number, size: number) {
    this.#file = file;
    this.size = size;
  }

  map(offset: number, length: number, extent: Extent): void {
    extent.kind = DATA;
    extent.file = this.#file;
    extent.offset = offset;
    extent.length = length;
    extent.present = true;
  }

  // biome-ignore lint/correctness/useYield: there is no metadata, so it never waits.
  *load(): Task {
    return -ERRNO.EIO;
  }
}
