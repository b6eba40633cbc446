import type { Task } from '../../host/engine.js';
import { ERRNO } from '../../util/errno.js';
import type { Layer } from '../driver.js';
import { DATA, type Extent, roundUpToSector, ZERO } from '../extent.js';

/** A raw image as a layer: byte for byte its host file, zeros past the end of that. */
export class RawLayer implements Layer {
  readonly size: number;
  readonly hasHostHoles = true;
  readonly inflation = null;
  readonly #file: number;
  readonly #hostSize: number;

  /**
   * @param file The engine's handle of the host file.
   * @param hostSize Its size, bytes.
   */
  constructor(file: number, hostSize: number) {
    this.#file = file;
    this.#hostSize = hostSize;
    this.size = roundUpToSector(hostSize);
  }

  map(offset: number, length: number, extent: Extent): void {
    const rest = this.#hostSize - offset;
    extent.kind = rest > 0 ? DATA : ZERO;
    extent.file = this.#file;
    extent.offset = offset;
    extent.length = rest > 0 && rest < length ? rest : length;
    extent.present = true;
  }

  // biome-ignore lint/correctness/useYield: there is no metadata, so it never waits.
  *load(): Task {
    return -ERRNO.EIO;
  }
}
