import type { Task } from '../../host/engine.js';
import { ERRNO } from '../../util/errno.js';
import type { Layer } from '../driver.js';
import { DATA, type Extent, roundUpToSector, ZERO } from '../extent.js';

/** The place of a range in a host file that is the image, byte for byte; zeros past its end. */
export function mapRaw(
  file: number,
  hostSize: number,
  offset: number,
  length: number,
  extent: Extent,
): void {
  const rest = hostSize - offset;
  extent.kind = rest > 0 ? DATA : ZERO;
  extent.file = file;
  extent.offset = offset;
  extent.length = rest > 0 && rest < length ? rest : length;
  extent.present = true;
}

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
    mapRaw(this.#file, this.#hostSize, offset, length, extent);
  }

  // biome-ignore lint/correctness/useYield: there is no metadata, so it never waits.
  *load(): Task {
    return -ERRNO.EIO;
  }
}
