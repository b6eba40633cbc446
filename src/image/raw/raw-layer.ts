import type { Task } from '../../host/engine.js';
import { ERRNO } from '../../util/errno.js';
import type { Layer } from '../driver.js';
import { DATA, type Extent, roundUpToSector, ZERO } from '../extent.js';

/** A raw image as a layer: byte for byte its host file, zeros past the end of that. */
export class RawLayer implements Layer {
  readonly hasHostHoles = true;
  readonly inflation = null;
  readonly file: number;
  size = 0;
  /** Bytes of the host file. */
  hostSize = 0;

  /** @param file The engine's handle of the host file. */
  constructor(file: number, hostSize: number) {
    this.file = file;
    this.resize(hostSize);
  }

  /** The host file has another size. */
  resize(hostSize: number): void {
    this.hostSize = hostSize;
    this.size = roundUpToSector(hostSize);
  }

  map(offset: number, length: number, extent: Extent): void {
    const rest = this.hostSize - offset;
    extent.kind = rest > 0 ? DATA : ZERO;
    extent.file = this.file;
    extent.offset = offset;
    extent.length = rest > 0 && rest < length ? rest : length;
    extent.present = true;
  }

  // biome-ignore lint/correctness/useYield: there is no metadata, so it never waits.
  *load(): Task {
    return -ERRNO.EIO;
  }
}
