import { DATA, type Extent, roundUpToSector, ZERO } from './image.js';
import type { Compression } from './qcow2/layout.js';
import type { SliceCache } from './qcow2/slice-cache.js';

/** How a layer's compressed clusters are to be inflated. */
export interface Inflation {
  method: Compression;
  clusterBytes: number;
}

/** One image of a chain. Pure: it looks up and never reads. */
export interface Layer {
  /** Virtual size, a multiple of 512. */
  readonly size: number;
  /** Pieces of its metadata; null for a layer that has none. */
  readonly cache: SliceCache | null;
  /** Null for a layer that has no compressed clusters. */
  readonly inflation: Inflation | null;
  /**
   * Where this layer has the bytes from `offset`, for at most `length` bytes, all below `size`.
   * UNALLOCATED: not here. Leaves `extent.layer` alone.
   */
  map(offset: number, length: number, extent: Extent): void;
}

/** A raw image as a layer: byte for byte its host file, zeros past the end of that. */
export class RawLayer implements Layer {
  readonly size: number;
  readonly cache = null;
  readonly inflation = null;
  readonly #file: number;
  readonly #hostSize: number;

  /**
   * @param file The engine's index of the host file.
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
}
