import type { Engine } from '../host/engine.js';
import type { Driver, DriverIo, Layer, LayerWriter } from './driver.js';
import type { ImageConfig, LayerConfig } from './image-config.js';
import type { Layers } from './layers.js';
import type { Resume } from './waiters.js';

/** What a layer loads its metadata with. */
export interface LayerIo {
  readonly engine: Engine;
  readonly resume: Resume;
  /** Bound of its metadata cache, bytes. */
  readonly cacheBytes: number;
  /** The image may come to need more of the cache than now. */
  readonly growable: boolean;
}

/** An image format. All code that knows it is in its folder; `formats.ts` lists the formats. */
export interface Format {
  readonly name: string;
  /** Its layers load metadata, and share the bound of the caches. */
  readonly hasMetadata: boolean;
  /** @param files The engine's handles of `config.files`. */
  makeLayer(config: LayerConfig, files: readonly number[], io: LayerIo): Layer;
  /**
   * The writer of an image whose top layer is of this format; missing if images of this format are only
   * read.
   * @param refcountBytes Its share of the metadata cache.
   */
  makeWriter?(layers: Layers, config: ImageConfig, file: number, io: DriverIo): LayerWriter;
  /** The driver of an image of a single layer, where that needs less than layers do. */
  makeDriver?(config: ImageConfig, file: number, io: DriverIo): Driver;
}
