import type { Task } from '../../host/engine.js';
import { ERRNO } from '../../util/errno.js';
import type { Layer } from '../driver.js';
import { COMPRESSED, type Extent, roundUpToSector, ZERO } from '../extent.js';
import type { Compression, Inflation } from '../inflate-calls.js';
import type { Frames } from './frames.js';

/** A packed raw image as a layer. */
export class FramesLayer implements Layer {
  readonly size: number;
  readonly hasHostHoles = false;
  readonly inflation: Inflation;
  readonly #frames: Frames;
  readonly #file: number;

  /** @param file The engine's handle of the host file. */
  constructor(frames: Frames, method: Compression, file: number) {
    this.#frames = frames;
    this.#file = file;
    this.size = roundUpToSector(frames.size);
    this.inflation = { method, clusterBytes: frames.longest };
  }

  map(offset: number, length: number, extent: Extent): void {
    const { size, starts, places } = this.#frames;
    extent.present = true;
    extent.file = this.#file;
    // The image may end within a sector.
    if (offset >= size) {
      extent.kind = ZERO;
      extent.offset = -1;
      extent.length = length;
      return;
    }
    const frame = this.#find(offset);
    const start = starts[frame]!;
    const place = places[frame]!;
    extent.kind = COMPRESSED;
    extent.offset = place;
    extent.bytes = places[frame + 1]! - place;
    extent.skip = offset - start;
    extent.length = Math.min(length, starts[frame + 1]! - offset);
  }

  // biome-ignore lint/correctness/useYield: all is in memory.
  *load(): Task {
    return -ERRNO.EIO;
  }

  /** The last frame that begins at or before an offset: of those the only one that is not empty. */
  #find(offset: number): number {
    const { starts } = this.#frames;
    let low = 0;
    let high = starts.length - 2;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
