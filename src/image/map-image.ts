import type { HostFile } from '../host/host-file.js';
import { runNow, SyncEngine } from '../host/sync-engine.js';
import { COMPRESSED, DATA, type Extent, newExtent, ZERO } from './extent.js';
import { blockStatus, findHole } from './holes.js';
import { METADATA_CACHE_BYTES } from './image-config.js';
import { InflateCalls } from './inflate-calls.js';
import type { Layers } from './layers.js';
import { makeLayers } from './make-driver.js';
import { layerConfigs, type OpenChain } from './open-chain.js';
import { hostRefused } from './refusal.js';

/** A range of an image and where it lives; the terms of `qemu-img map`. */
export interface MapEntry {
  start: number;
  length: number;
  /** Number of backing files between the image and the layer that answers. */
  depth: number;
  /** Some layer has it. */
  present: boolean;
  /** Known to read as zeros. */
  zero: boolean;
  data: boolean;
  compressed: boolean;
  /** Where in `file` it is; null where it is not there as it is. */
  offset: number | null;
  /** Path of the host file; null without an offset. */
  file: string | null;
}

/** All of an image, in order, neighbours that are alike as one. */
export function* mapImage(chain: OpenChain): Generator<MapEntry, void, void> {
  const walk = new Walk(chain);
  let last: MapEntry | null = null;
  for (let at = 0; at < walk.size; ) {
    const entry = walk.at(at);
    at += entry.length;
    if (last !== null && isContinued(last, entry)) last.length += entry.length;
    else {
      if (last !== null) yield last;
      last = entry;
    }
  }
  if (last !== null) yield last;
}

function isContinued(last: MapEntry, next: MapEntry): boolean {
  return (
    last.depth === next.depth &&
    last.present === next.present &&
    last.zero === next.zero &&
    last.data === next.data &&
    last.compressed === next.compressed &&
    last.file === next.file &&
    (last.offset === null ? next.offset === null : last.offset + last.length === next.offset)
  );
}

/** The only request there is. */
const REQUEST = 0;

/** Block status by plain calls that wait. */
class Walk {
  readonly size: number;
  readonly #chain: OpenChain;
  readonly #layers: Layers;
  readonly #engine = new SyncEngine();
  /** By the engine's handle. */
  readonly #files: readonly HostFile[];
  /** By layer. */
  readonly #sparse: readonly boolean[];
  readonly #extent = newExtent();

  constructor(chain: OpenChain) {
    const { files, layers } = layerConfigs(chain);
    this.#chain = chain;
    this.#files = files;
    const handles = files.map(({ descriptor }) => {
      return this.#engine.add({ descriptor, inMemory: false });
    });
    const config = { layers, alignment: 1, growable: false, cacheBytes: METADATA_CACHE_BYTES };
    this.#layers = makeLayers({ ...config, writing: null }, handles, {
      engine: this.#engine,
      resume: () => {},
      inflateCalls: new InflateCalls(() => {}),
    });
    this.size = this.#layers.top.size;
    this.#sparse = chain.layers.map(({ image }) => image.hasSparseData());
  }

  /** The entry from `offset` on. Throws SluiceError where the metadata is broken. */
  at(offset: number): MapEntry {
    const extent = this.#extent;
    const rest = this.size - offset;
    const error = runNow(blockStatus(this.#layers, this.#engine, REQUEST, offset, rest, extent));
    if (error < 0) {
      throw hostRefused(this.#chain.layers[extent.layer]!.file.path, offset, error);
    }
    const isHole = this.#cutAtHole(extent);
    const placed = extent.kind !== COMPRESSED && extent.offset >= 0;
    return {
      start: offset,
      length: extent.length,
      depth: extent.layer,
      present: extent.present,
      zero: extent.kind === ZERO || isHole,
      data: extent.kind !== ZERO,
      compressed: extent.kind === COMPRESSED,
      offset: placed ? extent.offset : null,
      file: placed ? this.#files[extent.file]!.path : null,
    };
  }

  /** Data clusters of a preallocated image may be holes of the host file: zeros, but allocated. */
  #cutAtHole(extent: Extent): boolean {
    if (extent.kind !== DATA || !this.#sparse[extent.layer]) return false;
    const found = { ...extent };
    runNow(findHole(this.#engine, REQUEST, found));
    extent.length = found.length;
    return found.kind === ZERO;
  }
}

/**
 * Sums over an image with its backing files, or over one layer alone, bytes. Together they are its
 * virtual size.
 */
export interface Content {
  data: number;
  compressed: number;
  /** Said to be zeros by some layer. */
  zero: number;
  /** In no layer; reads as zeros. */
  hole: number;
}

export function sumContent(entries: Iterable<MapEntry>): Content {
  const sum: Content = { data: 0, compressed: 0, zero: 0, hole: 0 };
  for (const entry of entries) {
    if (entry.compressed) sum.compressed += entry.length;
    else if (entry.data && !entry.zero) sum.data += entry.length;
    else if (entry.present) sum.zero += entry.length;
    else sum.hole += entry.length;
  }
  return sum;
}
