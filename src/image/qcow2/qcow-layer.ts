import type { Task } from '../../host/engine.js';
import type { Layer } from '../driver.js';
import {
  BROKEN,
  COMPRESSED,
  DATA,
  type Extent,
  METADATA,
  roundUpToSector,
  UNALLOCATED,
  ZERO,
} from '../extent.js';
import type { Inflation } from '../inflate-calls.js';
import { MISSING, type SliceCache } from '../slice-cache.js';
import { SUBCLUSTERS } from './abi.js';
import * as entries from './entries.js';
import { OFFSET_MAX } from './entries.js';
import { type Geometry, geometryOf, type QcowLayout } from './layout.js';
import { L1_BROKEN } from './tables.js';

/**
 * A qcow2 image as a layer. It looks a range up in the L1 table and in the cached slices of
 * L2 tables. A "unit" has a state of its own: it is a cluster, or with extended entries a subcluster.
 */
export class QcowLayer implements Layer {
  size: number;
  readonly cache: SliceCache;
  readonly inflation: Inflation;
  readonly hasHostHoles = false;
  readonly layout: QcowLayout;
  readonly geometry: Geometry;
  /** Offsets of L2 tables, 0 for none. `QcowWriter` changes it. */
  l1: Float64Array;
  readonly #file: number;
  /** The engine's index of the file that holds the data. */
  readonly dataFile: number;
  readonly #unitsPerEntry: number;
  readonly #unitBytes: number;
  /** Result of `#classify`. */
  #kind = ZERO;
  #host = -1;

  /**
   * @param l1 From `readL1`.
   * @param file The engine's index of the image's file.
   * @param dataFile The index of its external data file; without one, `file` again.
   */
  constructor(
    layout: QcowLayout,
    l1: Float64Array,
    cache: SliceCache,
    file: number,
    dataFile: number,
  ) {
    this.layout = layout;
    this.geometry = geometryOf(layout);
    this.l1 = l1;
    this.#file = file;
    this.dataFile = dataFile;
    this.#unitsPerEntry = layout.extendedL2 ? SUBCLUSTERS : 1;
    this.#unitBytes = layout.clusterBytes / this.#unitsPerEntry;
    this.size = roundUpToSector(layout.size);
    this.cache = cache;
    this.inflation = { method: layout.compression, clusterBytes: layout.clusterBytes };
  }

  map(offset: number, length: number, extent: Extent): void {
    const { sliceCoverage, l2Coverage } = this.geometry;
    const l1Index = Math.floor(offset / l2Coverage);
    const table = l1Index < this.l1.length ? this.l1[l1Index] : 0;
    if (table === 0) {
      this.#mapNoTable(l1Index, offset, length, extent);
      return;
    }
    const slice = Math.floor(offset / sliceCoverage);
    const rest = (slice + 1) * sliceCoverage - offset;
    extent.length = Math.min(length, rest);
    extent.present = true;
    if (table === L1_BROKEN) {
      extent.kind = BROKEN;
      return;
    }
    const place = this.cache.find(slice);
    if (place === MISSING) this.#mapMissing(table, slice, extent);
    else this.#mapUnits(place, offset - slice * sliceCoverage, extent);
  }

  load(request: number, extent: Extent): Task {
    return this.cache.load(request, extent);
  }

  /**
   * Finds the place of a range that may be written in place: all of it is allocated and contiguous, and no
   * snapshot shares it.
   * @returns False if a condition fails or is unknown; `extent` is then undefined.
   */
  mapInPlace(offset: number, length: number, extent: Extent): boolean {
    const { sliceCoverage, entryBytes, clusterBytes } = this.geometry;
    const slice = Math.floor(offset / sliceCoverage);
    const from = offset - slice * sliceCoverage;
    const place = from + length <= sliceCoverage ? this.cache.find(slice) : MISSING;
    if (place === MISSING) return false;
    extent.length = length;
    this.#mapUnits(place, from, extent);
    if (extent.kind !== DATA || extent.length < length) return false;
    const { words } = this.cache;
    const step = entryBytes >> 2;
    const first = Math.floor(from / clusterBytes);
    const last = Math.floor((from + length - 1) / clusterBytes);
    let at = ((place * this.geometry.sliceBytes) >> 2) + first * step;
    for (let entry = first; entry <= last; entry++, at += step) {
      if (!entries.isCopied(words[at]!)) return false;
    }
    return true;
  }

  /** Maps consecutive missing L2 tables as one extent: an empty disk of 1 TiB has 2048 of them. */
  #mapNoTable(l1Index: number, offset: number, length: number, extent: Extent): void {
    const { l2Coverage } = this.geometry;
    const l1 = this.l1;
    const end = offset + length;
    let next = l1Index + 1;
    while (next < l1.length && l1[next] === 0 && next * l2Coverage < end) next++;
    const until = next >= l1.length ? end : Math.min(end, next * l2Coverage);
    extent.kind = UNALLOCATED;
    extent.offset = -1;
    extent.length = until - offset;
  }

  #mapMissing(table: number, slice: number, extent: Extent): void {
    const { slicesPerTable, sliceBytes } = this.geometry;
    extent.kind = METADATA;
    extent.file = this.#file;
    extent.offset = table + (slice % slicesPerTable) * sliceBytes;
    extent.slice = slice;
  }

  /** Maps the units from byte `from` of the slice on, as long as they are alike and contiguous. */
  #mapUnits(place: number, from: number, extent: Extent): void {
    const unitBytes = this.#unitBytes;
    const first = Math.floor(from / unitBytes);
    const inUnit = from - first * unitBytes;
    const words = (place * this.geometry.sliceBytes) >> 2;
    this.#classify(words, first);
    const kind = this.#kind;
    const host = this.#host;
    extent.kind = kind;
    if (kind === COMPRESSED) {
      this.#mapCompressed(words, from, extent);
      return;
    }
    const { length } = extent;
    let covered = unitBytes - inUnit;
    for (let unit = first + 1; covered < length; unit++) {
      this.#classify(words, unit);
      if (this.#kind !== kind) break;
      if (this.#host !== (host < 0 ? -1 : host + (unit - first) * unitBytes)) break;
      covered += unitBytes;
    }
    extent.file = this.dataFile;
    extent.offset = host < 0 ? -1 : host + inUnit;
    if (covered < length) extent.length = covered;
  }

  #mapCompressed(words: number, from: number, extent: Extent): void {
    const { clusterBytes, clusterBits } = this.layout;
    const entry = Math.floor(from / clusterBytes);
    const at = words + (entry * this.geometry.entryBytes) / 4;
    const high = this.cache.words[at];
    const low = this.cache.words[at + 1];
    extent.file = this.#file;
    extent.offset = entries.compressedOffset(high, low, clusterBits);
    extent.bytes = entries.compressedBytes(high, low, clusterBits);
    extent.skip = from - entry * clusterBytes;
    extent.length = Math.min(extent.length, clusterBytes - extent.skip);
    // A data file has no compressed clusters.
    const broken = extent.offset > OFFSET_MAX || this.dataFile !== this.#file;
    if (broken) extent.kind = BROKEN;
  }

  /** Sets `#kind`, and `#host` to the unit's host offset or -1. */
  #classify(words: number, unit: number): void {
    if (this.#unitsPerEntry > 1) this.#classifySubcluster(words, unit);
    else this.#classifyCluster(words + unit * 2);
  }

  #classifyCluster(at: number): void {
    const high = this.cache.words[at];
    const low = this.cache.words[at + 1];
    this.#host = -1;
    if (entries.isCompressed(high)) {
      this.#kind = COMPRESSED;
      return;
    }
    const offset = entries.entryOffset(high, low);
    const hasPlace = offset !== 0 || this.#isFirstOfDataFile(high);
    if (!this.#isPlausible(offset)) this.#kind = BROKEN;
    else if (entries.isZero(low)) this.#kind = this.layout.version === 2 ? BROKEN : ZERO;
    else this.#kind = hasPlace ? DATA : UNALLOCATED;
    if (hasPlace && this.#kind !== BROKEN) this.#host = offset;
  }

  #classifySubcluster(words: number, unit: number): void {
    const entry = Math.floor(unit / SUBCLUSTERS);
    const index = unit - entry * SUBCLUSTERS;
    const at = words + entry * 4;
    const { words: table } = this.cache;
    const high = table[at];
    this.#host = -1;
    if (entries.isCompressed(high)) {
      this.#kind = COMPRESSED;
      return;
    }
    const offset = entries.entryOffset(high, table[at + 1]);
    const zeros = table[at + 2];
    const allocated = table[at + 3];
    const hasPlace = offset !== 0 || this.#isFirstOfDataFile(high);
    const state = entries.subclusterState(zeros, allocated, index);
    const broken = (zeros & allocated) !== 0 || (!hasPlace && allocated !== 0);
    if (broken || !this.#isPlausible(offset)) this.#kind = BROKEN;
    else if (state === entries.SUBCLUSTER_UNALLOCATED) this.#kind = UNALLOCATED;
    else this.#kind = state === entries.SUBCLUSTER_ZERO ? ZERO : DATA;
    if (hasPlace && this.#kind !== BROKEN) this.#host = offset + index * this.#unitBytes;
  }

  #isPlausible(offset: number): boolean {
    return offset % this.layout.clusterBytes === 0 && offset <= OFFSET_MAX;
  }

  /** Offset 0 is the header and so means "none", except in an external data file. */
  #isFirstOfDataFile(high: number): boolean {
    return this.dataFile !== this.#file && entries.isCopied(high);
  }
}
