import { runNow } from '../host/sync-engine.js';
import { COMPRESSED, DATA, newExtent, ZERO } from './extent.js';
import { blockStatus, cutAtHole } from './holes.js';
import { METADATA_CACHE_BYTES } from './image-config.js';
import type { OpenChain } from './open-chain.js';
import { REQUEST, waitingLayers } from './read-image.js';
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
  const { size, entryAt } = walk(chain);
  let last: MapEntry | null = null;
  for (let at = 0; at < size; ) {
    const entry = entryAt(at);
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

/** Size of an image, and block status by plain calls that wait. Throws SluiceError for broken metadata. */
function walk(chain: OpenChain): { size: number; entryAt(offset: number): MapEntry } {
  const { layers, files, engine } = waitingLayers(chain, METADATA_CACHE_BYTES);
  const { size } = layers.top;
  const sparse = chain.layers.map(({ image }) => image.hasSparseData());
  const extent = newExtent();
  /** Data clusters of a preallocated image may be holes of the host file: zeros, but allocated. */
  const isHostHole = (): boolean => {
    if (extent.kind !== DATA || !sparse[extent.layer]) return false;
    const found = { ...extent };
    runNow(cutAtHole(engine, REQUEST, found));
    extent.length = found.length;
    return found.kind === ZERO;
  };
  const entryAt = (offset: number): MapEntry => {
    const status = blockStatus(layers, engine, REQUEST, offset, size - offset, extent);
    const error = runNow(status);
    if (error < 0) throw hostRefused(chain.layers[extent.layer]!.file.path, offset, error);
    const isHole = isHostHole();
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
      file: placed ? files[extent.file]!.path : null,
    };
  };
  return { size, entryAt };
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
