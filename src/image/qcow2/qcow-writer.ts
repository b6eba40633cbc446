import type { Extent } from '../image.js';
import { SUBCLUSTERS } from './abi.js';
import { Allocator } from './allocator.js';
import * as entries from './entries.js';
import { type DiskExtent, HeaderBlock } from './header-block.js';
import type { QcowLayer } from './qcow-layer.js';
import type { WritePart } from './read-for-writing.js';
import { PIECE_BYTES, type RefcountStage } from './refcount-blocks.js';
import { encodeTable } from './table-pieces.js';

const COPIED_HIGH = 0x80000000;

/** What has to happen to write a range of one cluster. One object is filled again and again. */
export interface WritePlan {
  /** Host offset of the cluster that takes the range; -1: one has to be allocated. */
  host: number;
  /** The range may be written as it is: nothing around it changes. */
  inPlace: boolean;
  /** The range rounded to what must be written with it, offsets in the cluster. */
  from: number;
  to: number;
}

/** Pieces of metadata as they are to be on disk, in the order in which they may get there. */
export interface Stage {
  refcounts: RefcountStage;
  header: Map<number, Uint8Array>;
  slices: Map<number, Uint8Array>;
  l1: Map<number, Uint8Array>;
  /** The header with a new size or a new place of the L1 table. */
  disk: Map<number, Uint8Array>;
  /** What that says; null if it has not changed. */
  extent: DiskExtent | null;
  /** Where the L1 table was to be. */
  l1Offset: number;
  /** What was dirty: places in the cache. */
  places: number[];
}

/** Host offsets of clusters that lose a reference once what no longer refers to them is on disk. */
export interface Released {
  data: number[];
  /** Of L2 tables and refcount tables. */
  tables: number[];
}

/**
 * Changes to the metadata of a qcow2 image, in memory. Pure: what differs from the disk is handed out by
 * `stage`, a copy of one moment, so that what is written in order was consistent in itself.
 */
export class QcowWriter {
  readonly layer: QcowLayer;
  readonly allocator: Allocator;
  readonly plan: WritePlan = { host: -1, inPlace: false, from: 0, to: 0 };

  #copied: Uint8Array;
  readonly #metadata: Set<number>;
  readonly #header: HeaderBlock;
  #released: number[] = [];
  readonly #dirtyPlaces = new Map<number, number>();
  readonly #dirtyL1 = new Set<number>();

  /** @param cacheBytes Bound of the refcounts that are kept in memory. */
  constructor(layer: QcowLayer, part: WritePart, hostSize: number, cacheBytes: number) {
    const { layout } = layer;
    this.layer = layer;
    this.#copied = part.l1Copied;
    this.#metadata = new Set(part.metadata);
    this.#header = new HeaderBlock(part.header);
    const { refcountTable, deviceEnd } = part;
    this.allocator = new Allocator(
      layout,
      refcountTable,
      hostSize,
      this.#metadata,
      cacheBytes,
      deviceEnd,
    );
  }

  /** Slices that cannot be given away before they are written. */
  get dirtySlices(): number {
    return this.#dirtyPlaces.size;
  }

  mapInPlace(offset: number, length: number, extent: Extent): boolean {
    return (
      this.layer.mapInPlace(offset, length, extent) && !this.isForbidden(extent.offset, length)
    );
  }

  /** True if data cannot lie there, among tables or behind the end of the file: the image lies. */
  isForbidden(host: number, length: number): boolean {
    const { clusterBytes } = this.layer.geometry;
    if (host + length > this.allocator.end) return true;
    const last = Math.floor((host + length - 1) / clusterBytes);
    for (let cluster = Math.floor(host / clusterBytes); cluster <= last; cluster++) {
      if (this.#metadata.has(cluster)) return true;
    }
    return false;
  }

  /** The active disk alone has this L2 table, so it may be changed. */
  ownsTable(l1Index: number): boolean {
    return this.layer.l1[l1Index] !== 0 && this.#copied[l1Index] === 1;
  }

  /** A new table, filled on disk as it must be, takes the place of the old one. */
  setTable(l1Index: number, host: number): void {
    const old = this.layer.l1[l1Index]!;
    if (old > 0) this.allocator.releasedTables.push(old);
    this.layer.l1[l1Index] = host;
    this.#copied[l1Index] = 1;
    this.#dirtyL1.add(Math.floor((l1Index * 8) / this.#pieceBytes));
    this.#metadata.add(host / this.layer.geometry.clusterBytes);
  }

  /** Entries that the L1 table may have where it is: it has whole clusters. */
  get l1Room(): number {
    const { clusterBytes } = this.layer.geometry;
    const bytes = this.layer.layout.l1Entries * 8;
    return (Math.max(1, Math.ceil(bytes / clusterBytes)) * clusterBytes) / 8;
  }

  /**
   * The L1 table gets more entries. Until the header says so, the disk has the old one.
   * @param host New place, of whole new clusters; null: it stays where it is, see `l1Room`.
   */
  growL1(entries: number, host: number | null): void {
    const { layer } = this;
    const { layout, geometry } = layer;
    const before = layer.l1.length;
    const l1 = new Float64Array(entries);
    l1.set(layer.l1);
    layer.l1 = l1;
    const copied = new Uint8Array(entries);
    copied.set(this.#copied);
    this.#copied = copied;
    if (host !== null) {
      const clusters = (bytes: number): number => Math.ceil(bytes / geometry.clusterBytes);
      for (let i = 0; i < clusters(layout.l1Entries * 8); i++) {
        this.allocator.releasedTables.push(layout.l1Offset + i * geometry.clusterBytes);
      }
      for (let i = 0; i < clusters(entries * 8); i++) {
        this.#metadata.add(host / geometry.clusterBytes + i);
      }
      layout.l1Offset = host;
      this.#dirtyL1.clear();
    }
    layout.l1Entries = entries;
    const first = host === null ? Math.floor((before * 8) / this.#pieceBytes) : 0;
    for (let piece = first; piece * this.#pieceBytes < entries * 8; piece++) {
      this.#dirtyL1.add(piece);
    }
    this.#stageExtent(layout.size);
  }

  /** The disk has another size, a multiple of a sector, when all that is changed so far is on disk. */
  setSize(size: number): void {
    this.layer.layout.size = size;
    this.#stageExtent(size);
  }

  #stageExtent(size: number): void {
    const { l1Offset, l1Entries } = this.layer.layout;
    this.#header.setDisk({ size, l1Offset, l1Entries });
  }

  /** Fills `plan` for bytes `start` to `end` of one cluster whose slice is at `place`. */
  makePlan(place: number, start: number, end: number): WritePlan {
    const { plan } = this;
    const { clusterBytes } = this.layer.geometry;
    const at = this.#entryAt(place, start);
    const { words } = this.layer.cache;
    const high = words[at]!;
    const low = words[at + 1]!;
    const { extendedL2 } = this.layer.layout;
    const offset = entries.entryOffset(high, low);
    const compressed = entries.isCompressed(high);
    const base = Math.floor(start / clusterBytes) * clusterBytes;
    plan.host = !compressed && offset !== 0 && entries.isCopied(high) ? offset : -1;
    const whole = !extendedL2 || (plan.host < 0 && (compressed || offset !== 0));
    const unit = whole ? clusterBytes : clusterBytes / SUBCLUSTERS;
    plan.inPlace =
      plan.host >= 0 &&
      (extendedL2 ? this.#allData(at, start - base, end - base) : !entries.isZero(low));
    plan.from = plan.inPlace ? start - base : Math.floor((start - base) / unit) * unit;
    plan.to = plan.inPlace ? end - base : Math.ceil((end - base) / unit) * unit;
    return plan;
  }

  /** The bytes of a plan are in the cluster at `host`: from now on they are read from there. */
  link(place: number, start: number, host: number, from: number, to: number): void {
    const at = this.#entryAt(place, start);
    const { words } = this.layer.cache;
    const { clusterBytes } = this.layer.geometry;
    const kept = this.#release(at, host);
    words[at] = (COPIED_HIGH | Math.floor(host / 2 ** 32)) >>> 0;
    words[at + 1] = host >>> 0;
    if (this.layer.layout.extendedL2) {
      const unit = clusterBytes / SUBCLUSTERS;
      const mask = maskOf(Math.floor(from / unit), Math.ceil(to / unit));
      words[at + 2] = (words[at + 2]! & ~mask) >>> 0;
      words[at + 3] = ((kept ? words[at + 3]! : 0) | mask) >>> 0;
    }
    this.#markDirty(place, start);
  }

  /** A whole cluster reads as zeros from now on and takes no room. Version 3 only. */
  linkZero(place: number, start: number): void {
    const at = this.#entryAt(place, start);
    const { words } = this.layer.cache;
    this.#release(at, -1);
    words[at] = 0;
    words[at + 1] = this.layer.layout.extendedL2 ? 0 : 1;
    if (this.layer.layout.extendedL2) {
      words[at + 2] = 0xffffffff;
      words[at + 3] = 0;
    }
    this.#markDirty(place, start);
  }

  /** What is to lose its references once the next stage is on disk: for `Allocator.decrement`. */
  takeReleased(): Released {
    const released = { data: this.#released, tables: this.allocator.releasedTables };
    this.#released = [];
    this.allocator.releasedTables = [];
    return released;
  }

  /** Clusters that were given out, and are not needed. */
  giveBack(hosts: readonly number[]): void {
    this.#released.push(...hosts);
  }

  /** The stage after `takeReleased` could not be written. */
  putBack({ data, tables }: Released): void {
    this.#released.push(...data);
    this.allocator.releasedTables.push(...tables);
  }

  /** Copies all that differs from the disk and counts it as written. */
  stage(): Stage {
    const { allocator, layer } = this;
    const { blocks } = allocator;
    const refcounts = blocks.stage();
    if (refcounts.moved) this.#header.setRefcountTable(blocks.tableOffset, blocks.tableClusters);
    const stage: Stage = {
      refcounts,
      header: this.#header.stage(),
      slices: new Map(),
      l1: new Map(),
      disk: this.#header.stageDisk(),
      extent: this.#header.disk,
      l1Offset: layer.layout.l1Offset,
      places: [...this.#dirtyPlaces.keys()],
    };
    for (const [place, slice] of this.#dirtyPlaces) {
      stage.slices.set(this.#sliceOffset(slice), layer.cache.encode(place));
    }
    for (const piece of this.#dirtyL1) {
      const bytes = encodeTable(layer.l1, piece, this.#pieceBytes, this.#copied);
      stage.l1.set(layer.layout.l1Offset + piece * this.#pieceBytes, bytes);
    }
    this.#dirtyPlaces.clear();
    this.#dirtyL1.clear();
    return stage;
  }

  /** The stage is on disk. */
  staged(stage: Stage): void {
    this.allocator.blocks.staged();
    this.#header.diskStaged(stage.extent);
    for (const place of stage.places) this.layer.cache.unpin(place);
  }

  /** The stage could not be written: all of it is to be written again. */
  restore(stage: Stage, slices: ReadonlyMap<number, number>): void {
    this.allocator.blocks.restore(stage.refcounts);
    if (stage.header.size > 0) this.#header.restore();
    for (const [place, slice] of slices) {
      if (this.#dirtyPlaces.has(place)) this.layer.cache.unpin(place);
      this.#dirtyPlaces.set(place, slice);
    }
    // A table that has moved meanwhile is to be written anyway.
    const pieces = stage.l1Offset === this.layer.layout.l1Offset ? stage.l1.keys() : [];
    for (const offset of pieces) {
      this.#dirtyL1.add((offset - this.layer.layout.l1Offset) / this.#pieceBytes);
    }
  }

  /** Slices by place, as `restore` wants them; to be asked before `stage`. */
  dirtyPlaces(): Map<number, number> {
    return new Map(this.#dirtyPlaces);
  }

  get #pieceBytes(): number {
    return Math.min(PIECE_BYTES, this.layer.geometry.clusterBytes);
  }

  #entryAt(place: number, offset: number): number {
    const { sliceCoverage, sliceBytes, clusterBytes, entryBytes } = this.layer.geometry;
    const entry = Math.floor((offset % sliceCoverage) / clusterBytes);
    return (place * sliceBytes + entry * entryBytes) >> 2;
  }

  #sliceOffset(slice: number): number {
    const { slicesPerTable, sliceBytes } = this.layer.geometry;
    const table = this.layer.l1[Math.floor(slice / slicesPerTable)]!;
    return table + (slice % slicesPerTable) * sliceBytes;
  }

  #allData(at: number, from: number, to: number): boolean {
    const unit = this.layer.geometry.clusterBytes / SUBCLUSTERS;
    const mask = maskOf(Math.floor(from / unit), Math.ceil(to / unit));
    return (this.layer.cache.words[at + 3]! & mask) >>> 0 === mask;
  }

  /** Gives up what an entry points at, unless that is `host`; true if it is. */
  #release(at: number, host: number): boolean {
    const { words } = this.layer.cache;
    const { clusterBits } = this.layer.layout;
    const { clusterBytes } = this.layer.geometry;
    const high = words[at]!;
    const low = words[at + 1]!;
    if (entries.isCompressed(high)) {
      const first = entries.compressedOffset(high, low, clusterBits);
      const end = first + entries.compressedBytes(high, low, clusterBits);
      const start = Math.floor(first / clusterBytes) * clusterBytes;
      for (let offset = start; offset < end; offset += clusterBytes) this.#released.push(offset);
      return false;
    }
    const offset = entries.entryOffset(high, low);
    if (offset !== 0 && offset !== host) this.#released.push(offset);
    return offset !== 0 && offset === host;
  }

  #markDirty(place: number, offset: number): void {
    if (this.#dirtyPlaces.has(place)) return;
    this.layer.cache.pin(place);
    this.#dirtyPlaces.set(place, Math.floor(offset / this.layer.geometry.sliceCoverage));
  }
}

/** Bits `first` to `end` - 1. */
function maskOf(first: number, end: number): number {
  const count = end - first;
  return (count === 32 ? 0xffffffff : ((1 << count) - 1) << first) >>> 0;
}
