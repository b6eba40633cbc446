import type { HostFile } from '../host/host-file.js';
import { SEEK_DATA, SEEK_HOLE } from '../sys/constants.js';
import { blockStatus, type StatusIo } from './block-status.js';
import { buildChain, METADATA_CACHE_BYTES } from './build-chain.js';
import { numberFiles } from './chain-files.js';
import type { ChainImage } from './chain-image.js';
import { COMPRESSED, DATA, type Extent, newExtent, ZERO } from './image.js';
import type { OpenChain } from './open-chain.js';
import { isPreallocated } from './qcow2/preallocation.js';
import { hostRefused } from './qcow2/refusal.js';

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

/** Block status by plain calls that wait. */
class Walk {
  readonly size: number;
  readonly #chain: OpenChain;
  readonly #image: ChainImage;
  readonly #sources: readonly HostFile[];
  readonly #preallocated: readonly boolean[];
  readonly #extent = newExtent();
  readonly #io: StatusIo;

  constructor(chain: OpenChain) {
    const { sources, layers } = numberFiles(chain);
    this.#chain = chain;
    this.#sources = sources;
    this.#image = buildChain(layers, METADATA_CACHE_BYTES, (bytes) => {
      return { address: 0, buffer: new ArrayBuffer(bytes) };
    });
    this.size = this.#image.size;
    this.#preallocated = chain.layers.map(({ source, qcow }) => {
      return qcow !== null && isPreallocated(source, qcow.layout);
    });
    this.#io = {
      load: (extent) => this.#load(extent),
      seek: (file, offset, whence) => sources[file]!.seek(offset, whence),
    };
  }

  /** The entry from `offset` on. Throws SluiceError where the metadata is broken. */
  at(offset: number): MapEntry {
    const extent = this.#extent;
    const steps = blockStatus(this.#image, offset, this.size - offset, extent, this.#io);
    let step = steps.next();
    while (!step.done) step = steps.next(step.value);
    if (step.value < 0) {
      throw hostRefused(this.#chain.layers[extent.layer].source.path, offset, step.value);
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
      file: placed ? this.#sources[extent.file].path : null,
    };
  }

  /** Data clusters of a preallocated image may be holes of the host file: zeros, but allocated. */
  #cutAtHole(extent: Extent): boolean {
    if (extent.kind !== DATA || !this.#preallocated[extent.layer]) return false;
    const file = this.#sources[extent.file]!;
    const data = file.seek(extent.offset, SEEK_DATA);
    if (data < 0) return true;
    const isHole = data > extent.offset;
    const end = isHole ? data : file.seek(extent.offset, SEEK_HOLE);
    if (end > extent.offset) extent.length = Math.min(extent.length, end - extent.offset);
    return isHole;
  }

  // biome-ignore lint/correctness/useYield: it never has to wait, but must look like one that does.
  *#load(extent: Extent): Generator<number, number, number> {
    const cache = this.#image.layers[extent.layer].cache!;
    const place = cache.begin(extent.slice);
    cache.bytesOf(place).set(this.#sources[extent.file].read(extent.offset, cache.sliceBytes));
    cache.loaded(place, cache.sliceBytes);
    return 0;
  }
}
