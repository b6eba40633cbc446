import type { Engine, Task } from '../host/engine.js';
import type { ChainImage } from './chain-image.js';
import type { Extent } from './image.js';
import { type Inflate, Inflater } from './inflater.js';
import { MetadataLoads } from './qcow2/metadata-loads.js';
import type { ChainWrites } from './qcow2/writes.js';
import type { Resume } from './waiters.js';

/** What a disk of layers needs besides its map: metadata loaded and clusters inflated. */
export class Chain {
  readonly image: ChainImage;
  /** Null for a read-only disk. */
  writes: ChainWrites | null = null;
  readonly #loads: MetadataLoads;
  readonly #inflater: Inflater;

  /** @param alignment Of reads of its host files, bytes. */
  constructor(
    image: ChainImage,
    engine: Engine,
    resume: Resume,
    inflate: Inflate,
    alignment: number,
  ) {
    this.image = image;
    this.#loads = new MetadataLoads(image, engine, resume);
    this.#inflater = new Inflater(engine, resume, inflate, alignment);
  }

  /** Loads what a METADATA extent names; then the range is to be mapped again. 0 or -errno. */
  loadMetadata(request: number, extent: Extent): Task {
    return this.#loads.load(request, extent);
  }

  /** The inflated cluster of a COMPRESSED extent, if it is at hand. Borrowed. */
  findInflated(extent: Extent): Uint8Array | undefined {
    return this.#inflater.find(extent);
  }

  /** Reads and inflates the cluster of a COMPRESSED extent; then map again. 0 or -errno. */
  inflate(request: number, extent: Extent): Task {
    const { inflation } = this.image.layers[extent.layer];
    return this.#inflater.load(request, extent, inflation!);
  }

  /** A cluster has come back inflated, or null if it was broken. */
  inflated(request: number, cluster: Uint8Array | null): void {
    this.#inflater.inflated(request, cluster);
  }
}
