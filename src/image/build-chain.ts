import type { Mapping } from '../sys/memory.js';
import { ChainImage } from './chain-image.js';
import { type Layer, RawLayer } from './layer.js';
import { geometryOf, type QcowLayout } from './qcow2/layout.js';
import { QcowLayer } from './qcow2/qcow-layer.js';
import { PLACES_MIN, SliceCache } from './qcow2/slice-cache.js';

/** Metadata cache of an image if nothing else is said: the L2 tables of 128 GiB in 64 KiB clusters. */
export const METADATA_CACHE_BYTES = 16 << 20;

/** A layer of a chain as plain data, to be sent to the thread that serves it. */
export interface LayerConfig {
  /** Which host file, an index known to the engine. */
  file: number;
  /** Its size, bytes. */
  hostSize: number;
  /** Null for a raw layer. */
  qcow: QcowConfig | null;
}

export interface QcowConfig {
  layout: QcowLayout;
  /** From `readL1`. */
  l1: Float64Array;
  /** Host file of the data: `file`, or an external data file. */
  dataFile: number;
}

/**
 * Makes the image of a chain.
 *
 * @param layers The image itself first.
 * @param cacheBytes Bound of all its metadata caches together; small values are raised.
 * @param allocate Gives memory for a cache, page-aligned.
 * @param growable The image may come to need more of it than now.
 */
export function buildChain(
  layers: readonly LayerConfig[],
  cacheBytes: number,
  allocate: (bytes: number) => Mapping,
  growable = false,
): ChainImage {
  const caches = layers.filter((layer) => layer.qcow !== null).length;
  return new ChainImage(
    layers.map(({ file, hostSize, qcow }, index): Layer => {
      if (qcow === null) return new RawLayer(file, hostSize);
      const { layout, l1, dataFile } = qcow;
      const cache = makeCache(layout, cacheBytes / caches, allocate, growable && index === 0);
      return new QcowLayer(layout, l1, cache, file, dataFile);
    }),
  );
}

/** Never more than the whole disk needs, unless it grows. */
function makeCache(
  layout: QcowLayout,
  bytes: number,
  allocate: (bytes: number) => Mapping,
  growable: boolean,
): SliceCache {
  const { sliceBytes, sliceCoverage } = geometryOf(layout);
  const needed = Math.ceil(layout.size / sliceCoverage);
  const allowed = Math.max(PLACES_MIN, Math.floor(bytes / sliceBytes));
  const places = Math.max(1, growable ? allowed : Math.min(needed, allowed));
  return new SliceCache(allocate(places * sliceBytes), sliceBytes);
}
