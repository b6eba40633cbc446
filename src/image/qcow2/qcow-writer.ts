import type { Extent } from '../extent.js';
import { SUBCLUSTERS } from './abi.js';
import { Allocator } from './allocator.js';
import type { ChangeLog } from './change-log.js';
import { DirtyTables } from './dirty-tables.js';
import * as entries from './entries.js';
import { HeaderBlock } from './header-block.js';
import type { QcowLayer } from './qcow-layer.js';
import type { WritePart } from './read-for-writing.js';
import { NO_REFCOUNTS, type Pieces } from './refcount-blocks.js';

/** The steps that write a range of one cluster. The same object is filled again for each call. */
export interface WritePlan {
  /** Host offset of the cluster for the range; -1 if one must be allocated. */
  host: number;
  /** The range can be written in place, without a change of metadata. */
  inPlace: boolean;
  /** The range with the bytes that must be written together with it, offsets in the cluster. */
  from: number;
  to: number;
}

/** New contents for pieces of metadata on disk, in the order in which they must be written. */
export interface Stage {
  refcounts: Pieces;
  /** Of the table of refcount blocks. */
  table: Pieces;
  header: Pieces;
  slices: Pieces;
  l1: Pieces;
  /** The header with a new size of the disk or a new place of the L1 table. */
  disk: Pieces;
  /** All of it has been written; if not, it counts as changed again. */
  ended(written: boolean): void;
}

/**
 * Changes the metadata of a qcow2 image in memory. Pure: `stage` hands out everything that differs from
 * the disk, copied at one moment, so that the pieces written one after the other are consistent.
 */
export class QcowWriter {
  readonly layer: QcowLayer;
  readonly allocator: Allocator;
  readonly plan: WritePlan = { host: -1, inPlace: false, from: 0, to: 0 };

  readonly #metadata: Set<number>;
  readonly #header: HeaderBlock;
  readonly #dirty: DirtyTables;
  /** The end of the range for data in an external data file; -1 without one. */
  readonly #dataEnd: number;
  /** Is told of all changes; null: nobody is. */
  readonly log: ChangeLog | null;

  /**
   * @param hostSize Size of the image's file, bytes.
   * @param cacheBytes Bound of the refcounts in memory.
   */
  constructor(
    layer: QcowLayer,
    part: WritePart,
    hostSize: number,
    cacheBytes: number,
    log: ChangeLog | null = null,
  ) {
    this.log = log;
    const { layout } = layer;
    const { dataSize } = part;
    const { clusterBytes } = layout;
    const whole = Math.ceil(Math.max(dataSize, layout.size) / clusterBytes) * clusterBytes;
    this.#dataEnd = dataSize < 0 ? -1 : whole;
    this.#dirty = new DirtyTables(layer, part.l1Copied);
    this.layer = layer;
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
      log,
    );
  }

  /** Number of changed slices, which keep their place in the cache until they are written. */
  get dirtySlices(): number {
    return this.#dirty.slices;
  }

  mapInPlace(offset: number, length: number, extent: Extent): boolean {
    return (
      this.layer.mapInPlace(offset, length, extent) && !this.isForbidden(extent.offset, length)
    );
  }

  /** Data lies in an external data file, whose clusters have no refcounts. */
  get hasDataFile(): boolean {
    return this.#dataEnd >= 0;
  }

  /** True if data cannot lie there: among metadata, or past the end of its file. */
  isForbidden(host: number, length: number): boolean {
    const { clusterBytes } = this.layer.geometry;
    if (this.hasDataFile) return host + length > this.#dataEnd;
    if (host + length > this.allocator.end) return true;
    const last = Math.floor((host + length - 1) / clusterBytes);
    for (let cluster = Math.floor(host / clusterBytes); cluster <= last; cluster++) {
      if (this.#metadata.has(cluster)) return true;
    }
    return false;
  }

  /** No snapshot shares this L2 table, so it may be changed. */
  ownsTable(l1Index: number): boolean {
    return this.layer.l1[l1Index] !== 0 && this.#dirty.copied[l1Index] === 1;
  }

  /** Replaces an L2 table by a new one, whose contents are on disk already. */
  setTable(l1Index: number, host: number): void {
    const old = this.layer.l1[l1Index]!;
    const cluster = host / this.layer.geometry.clusterBytes;
    this.log?.linked(cluster, 1);
    if (old > 0) this.allocator.release(old, true);
    this.redoL1(l1Index, host);
    this.log?.l1(l1Index, host);
    this.log?.commit();
  }

  /** An L2 table that a log tells of. */
  redoL1(l1Index: number, host: number): void {
    this.layer.l1[l1Index] = host;
    this.#dirty.copied[l1Index] = 1;
    this.#dirty.markL1(l1Index);
    this.#metadata.add(host / this.layer.geometry.clusterBytes);
  }

  /** Number of entries for which the L1 table has room at its place: it occupies whole clusters. */
  get l1Room(): number {
    const { clusterBytes } = this.layer.geometry;
    const bytes = this.layer.layout.l1Entries * 8;
    return (Math.max(1, Math.ceil(bytes / clusterBytes)) * clusterBytes) / 8;
  }

  /**
   * Gives the L1 table more entries. Until the header refers to it, the old table stays valid on disk.
   * @param host New place, at whole new clusters; null to keep the place, see `l1Room`.
   */
  growL1(entries: number, host: number | null): void {
    const { layout, geometry } = this.layer;
    const clusters = (bytes: number): number => Math.ceil(bytes / geometry.clusterBytes);
    if (host !== null) {
      this.log?.linked(host / geometry.clusterBytes, clusters(entries * 8));
      for (let i = 0; i < clusters(layout.l1Entries * 8); i++) {
        this.allocator.release(layout.l1Offset + i * geometry.clusterBytes, true);
      }
    }
    this.redoGrowL1(entries, host);
    this.log?.l1Grown(entries, host);
    this.log?.commit();
  }

  /** A longer L1 table that a log tells of. It may be there already. */
  redoGrowL1(entries: number, host: number | null): void {
    const { layer } = this;
    const { layout, geometry } = layer;
    const before = layer.l1.length;
    if (entries <= before) return;
    const l1 = new Float64Array(entries);
    l1.set(layer.l1);
    layer.l1 = l1;
    const copied = new Uint8Array(entries);
    copied.set(this.#dirty.copied);
    this.#dirty.copied = copied;
    if (host !== null) {
      const clusters = Math.ceil((entries * 8) / geometry.clusterBytes);
      for (let i = 0; i < clusters; i++) this.#metadata.add(host / geometry.clusterBytes + i);
      layout.l1Offset = host;
    }
    layout.l1Entries = entries;
    this.#dirty.markL1From(host === null ? before : 0);
    this.#stageExtent(layout.size);
  }

  /** Sets the size of the disk, a multiple of a sector. It is written after all changes made so far. */
  setSize(size: number): void {
    this.layer.layout.size = size;
    this.#stageExtent(size);
    this.log?.size(size);
    this.log?.commit();
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
    const hasPlace = offset !== 0 || (this.hasDataFile && entries.isCopied(high));
    const isOwn = this.hasDataFile || entries.isCopied(high);
    plan.host = !compressed && hasPlace && isOwn ? offset : -1;
    const whole = !extendedL2 || (plan.host < 0 && (compressed || offset !== 0));
    const unit = whole ? clusterBytes : clusterBytes / SUBCLUSTERS;
    plan.inPlace =
      plan.host >= 0 &&
      (extendedL2 ? this.#allData(at, start - base, end - base) : !entries.isZero(low));
    plan.from = plan.inPlace ? start - base : Math.floor((start - base) / unit) * unit;
    plan.to = plan.inPlace ? end - base : Math.ceil((end - base) / unit) * unit;
    return plan;
  }

  /** The bytes of a plan have been written to the cluster at `host`: from now on it is read. */
  link(place: number, start: number, host: number, from: number, to: number): void {
    const at = this.#entryAt(place, start);
    const { words } = this.layer.cache;
    const { clusterBytes } = this.layer.geometry;
    const kept = this.#release(at, host);
    words[at] = (entries.COPIED_HIGH | Math.floor(host / 2 ** 32)) >>> 0;
    words[at + 1] = host >>> 0;
    if (this.layer.layout.extendedL2) {
      const unit = clusterBytes / SUBCLUSTERS;
      const mask = maskOf(Math.floor(from / unit), Math.ceil(to / unit));
      words[at + 2] = (words[at + 2]! & ~mask) >>> 0;
      words[at + 3] = ((kept ? words[at + 3]! : 0) | mask) >>> 0;
    }
    this.#changed(place, start, at, this.hasDataFile ? -1 : host / clusterBytes);
  }

  /** Makes a whole cluster read as zeros and gives up its room. Version 3 only. */
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
    this.#changed(place, start, at, -1);
  }

  /** An entry that a log tells of, of a cluster of the disk. Its slice is at `place`. */
  redoEntry(place: number, cluster: number, values: readonly number[]): void {
    const { clusterBytes, entryBytes } = this.layer.geometry;
    const at = this.#entryAt(place, cluster * clusterBytes);
    const { words } = this.layer.cache;
    for (let i = 0; i < entryBytes >> 2; i++) words[at + i] = values[i]!;
    this.#dirty.markSlice(place, cluster * clusterBytes);
  }

  /** The entry at word `at` has changed. @param host The cluster that it names; -1 if that has no refcount. */
  #changed(place: number, offset: number, at: number, host: number): void {
    this.#dirty.markSlice(place, offset);
    if (this.log === null) return;
    const { geometry, layout, cache } = this.layer;
    const cluster = Math.floor(offset / geometry.clusterBytes);
    this.log.entry(cluster, cache.words, at, layout.extendedL2, host);
    this.log.commit();
  }

  /**
   * The image has lazy refcounts: they are written at the end, and it is marked as dirty until then. With a log they are written
   * by each flush: who goes on after a death finds an image without the mark.
   */
  get isLazy(): boolean {
    const { version, features } = this.layer.layout;
    return version === 3 && features.lazyRefcounts && this.log === null;
  }

  /**
   * Copies everything that differs from the disk, and counts it as written.
   * @param withRefcounts If false, the image is marked as dirty instead of writing the refcounts.
   */
  stage(withRefcounts: boolean): Stage {
    const { blocks } = this.allocator;
    const mark = this.log?.restate();
    const refcounts = withRefcounts ? blocks.stage() : NO_REFCOUNTS;
    if (refcounts.moved) this.#header.setRefcountTable(blocks.tableOffset, blocks.tableClusters);
    if (!withRefcounts && blocks.changed && !this.#header.isDirty) this.#header.setDirty(true);
    const header = this.#header.stage();
    const { slices, l1, ended: tablesEnded } = this.#dirty.stage();
    const disk = this.#header.stageDisk();
    const ended = (written: boolean): void => {
      refcounts.ended(written);
      tablesEnded(written);
      if (written) disk.written();
      else if (header.size > 0) this.#header.restore();
      if (mark !== undefined) this.log!.flushed(mark, written);
    };
    const { pieces, table } = refcounts;
    return { refcounts: pieces, table, header, slices, l1, disk: disk.pieces, ended };
  }

  /** All refcounts are on disk: the header without the dirty mark, if it must be written. */
  stageClean(): Pieces {
    if (this.isLazy && this.#header.isDirty) this.#header.setDirty(false);
    return this.#header.stage();
  }

  #entryAt(place: number, offset: number): number {
    const { sliceCoverage, sliceBytes, clusterBytes, entryBytes } = this.layer.geometry;
    const entry = Math.floor((offset % sliceCoverage) / clusterBytes);
    return (place * sliceBytes + entry * entryBytes) >> 2;
  }

  #allData(at: number, from: number, to: number): boolean {
    const unit = this.layer.geometry.clusterBytes / SUBCLUSTERS;
    const mask = maskOf(Math.floor(from / unit), Math.ceil(to / unit));
    return (this.layer.cache.words[at + 3]! & mask) >>> 0 === mask;
  }

  /** Releases the clusters of an entry, unless it refers to `host` already; true if it does. */
  #release(at: number, host: number): boolean {
    const { words } = this.layer.cache;
    const { clusterBits } = this.layer.layout;
    const { clusterBytes } = this.layer.geometry;
    const high = words[at]!;
    const low = words[at + 1]!;
    const offset = entries.entryOffset(high, low);
    if (this.hasDataFile) return offset === host && (offset !== 0 || entries.isCopied(high));
    const { allocator } = this;
    if (entries.isCompressed(high)) {
      const first = entries.compressedOffset(high, low, clusterBits);
      const end = first + entries.compressedBytes(high, low, clusterBits);
      const start = Math.floor(first / clusterBytes) * clusterBytes;
      for (let offset = start; offset < end; offset += clusterBytes) {
        allocator.release(offset, false);
      }
      return false;
    }
    if (offset !== 0 && offset !== host) allocator.release(offset, false);
    return offset !== 0 && offset === host;
  }
}

/** Bits `first` to `end` - 1. */
function maskOf(first: number, end: number): number {
  const count = end - first;
  return (count === 32 ? 0xffffffff : ((1 << count) - 1) << first) >>> 0;
}
