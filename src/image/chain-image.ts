import { ERRNO } from '../util/errno.js';
import { type Extent, type Image, UNALLOCATED, ZERO } from './image.js';
import type { Layer } from './layer.js';
import type { QcowWriter } from './qcow2/qcow-writer.js';

/**
 * An image and its backing files. A range belongs to the first layer from the top that
 * has it. A layer that ends early reads as zeros from there, and hides what the layers below it have
 * there: QEMU's rule of block status (bdrv_co_common_block_status_above).
 */
export class ChainImage implements Image {
  size: number;
  readonly layers: readonly Layer[];
  /** Null while the image is read-only. */
  writer: QcowWriter | null = null;

  /** @param layers At least one; the image itself first, then its backing file, and so on. */
  constructor(layers: readonly Layer[]) {
    this.layers = layers;
    this.size = layers[0].size;
  }

  map(offset: number, length: number, extent: Extent): void {
    const { layers } = this;
    let bytes = length;
    for (let index = 0; ; index++) {
      extent.layer = index;
      layers[index].map(offset, bytes, extent);
      if (extent.kind !== UNALLOCATED) return;
      const below = layers[index + 1];
      if (below === undefined || offset >= below.size) break;
      bytes = Math.min(extent.length, below.size - offset);
    }
    extent.kind = ZERO;
    extent.present = false;
  }

  /** DATA where all of the range may be written in place; anything else takes a task. */
  mapWrite(offset: number, length: number, extent: Extent): void {
    // Behind the end there may be clusters that nobody has asked for.
    const inside = offset + length <= this.size;
    const inPlace = inside && (this.writer?.mapInPlace(offset, length, extent) ?? false);
    if (!inPlace) extent.kind = UNALLOCATED;
  }

  written(): void {}

  resized(): void {}

  /** Not asked: what the host says of one file says nothing of the chain. */
  seekResult(): number {
    return -ERRNO.EIO;
  }
}
