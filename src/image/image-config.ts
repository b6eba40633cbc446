import type { EngineFile } from '../host/engine.js';
import type { Compression } from './inflate-calls.js';

/** Metadata cache of an image if nothing else is said: the L2 tables of 128 GiB in 64 KiB clusters. */
export const METADATA_CACHE_BYTES = 16 << 20;
/** Smaller would load tables all the time; larger holds tables of images that do not exist. */
export const METADATA_CACHE_MIN = 1 << 20;
export const METADATA_CACHE_MAX = 2 ** 30;

/** Share of the metadata cache that is for the refcounts of an image that is written. */
export const REFCOUNT_SHARE = 1 / 8;

/** One of an image and its backing files. Plain data. */
export interface LayerConfig {
  /** Name of its format. */
  format: string;
  /** Indices in `ImageConfig.files`: its own file first, then others that hold its data. */
  files: number[];
  /** Size of its own file, bytes. */
  hostSize: number;
  /** Its metadata: the business of its format alone. */
  metadata: unknown;
}

/** An open image as it is sent to the thread that serves it. Plain data. */
export interface ImageConfig {
  /** Host files: the image's own first. */
  files: EngineFile[];
  /** The image itself first. */
  layers: LayerConfig[];
  /** See `Driver.alignment`. */
  alignment: number;
  /** The image's own file is a block device. */
  blockDevice: boolean;
  growable: boolean;
  /** The kernel writes the file too, so the host is asked for its size; missing: only the daemon writes. */
  shared?: boolean | undefined;
  /** Bound of the metadata caches, bytes. Small values are raised. */
  cacheBytes: number;
  /** Methods by which its clusters may be compressed. */
  methods: Compression[];
  /** Descriptor of the file in memory for its RedoLog; missing: what is not flushed dies with the daemon. */
  redo?: number | undefined;
  /** More of the metadata, for writing; null for an image that is only read or has none. */
  writing: unknown;
}
