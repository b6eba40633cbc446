import type { HostFile } from '../../host/host-file.js';
import type { ReadableFile } from '../../host/open-file.js';
import { malformed, unsupported } from '../refusal.js';
import { type QcowLayout, refcountsPerBlock } from './layout.js';
import { PIECE_BYTES } from './refcount-blocks.js';
import { getRefcount } from './refcounts.js';
import type { Snapshot } from './snapshots.js';
import { metadataRegions, readRefcountTable, readWholeL1 } from './tables.js';

/** The metadata of an open image. */
export interface QcowPart {
  layout: QcowLayout;
  l1: Float64Array;
  readonly snapshots: readonly Snapshot[];
  /** Null where the data is in the image itself. */
  readonly dataFile: HostFile | null;
}

/** The metadata that writing an image needs besides that for reading. Plain data. */
export interface WritePart {
  /** The whole L1 table: offsets of L2 tables, 0 for none. */
  l1: Float64Array;
  /** 1 for an L2 table that no snapshot shares, so that it may be written in place. */
  l1Copied: Uint8Array;
  /** Offsets of refcount blocks, 0 for none. */
  refcountTable: Float64Array;
  /** Numbers of the clusters that hold metadata: data must not be written there. */
  metadata: Float64Array;
  /** The beginning of the image, in the length of one write. */
  header: Uint8Array;
  /** On a block device, the end of the clusters in use, bytes; null for a file, which ends there. */
  deviceEnd: number | null;
  /** Size of the external data file, bytes; -1 without one. */
  dataSize: number;
}

/**
 * Reads the tables of an image for writing, and refuses an image with broken tables. Wrong refcounts
 * must have been rebuilt before.
 *
 * @throws SluiceError exit code 3
 */
export function readForWriting(source: HostFile, qcow: QcowPart): WritePart {
  const { layout } = qcow;
  const { path } = source;
  const { clusterBytes } = layout;
  if (layout.features.dirty) throw unsupported(path, 'marked as dirty: its refcounts are stale');
  // All entries, also those beyond the end of the disk, because whole pieces of the table are written.
  const { offsets: l1, copied: l1Copied } = readWholeL1(source, layout, layout);
  const refcountTable = readRefcountTable(source, layout);
  const metadata = new Set<number>();
  const clustersOfFile = Math.ceil(source.size / clusterBytes);
  const add = (offset: number, bytes: number) => {
    const first = offset / clusterBytes;
    const end = Math.ceil((offset + bytes) / clusterBytes);
    if (end > clustersOfFile) {
      throw malformed(path, `its metadata at ${offset} is behind the end of the file`);
    }
    for (let cluster = first; cluster < end; cluster++) {
      if (metadata.has(cluster)) {
        throw malformed(path, `its metadata overlaps at ${cluster * clusterBytes}`);
      }
      metadata.add(cluster);
    }
  };
  for (const { offset, bytes } of metadataRegions(layout, qcow.snapshots, refcountTable)) {
    // An empty L1 table has a cluster too.
    add(offset, Math.max(1, bytes));
  }
  for (const offset of l1) if (offset !== 0) add(offset, clusterBytes);
  const header = source.read(0, Math.min(PIECE_BYTES, clusterBytes));
  const deviceEnd = source.blockDevice
    ? Math.max(findEnd(source, layout, refcountTable), lastOf(metadata) * clusterBytes)
    : null;
  const dataSize = qcow.dataFile?.size ?? -1;
  const list = Float64Array.from(metadata);
  return { l1, l1Copied, refcountTable, metadata: list, header, deviceEnd, dataSize };
}

/**
 * Refuses an image that cannot be written even if its tables are sound.
 *
 * @throws SluiceError exit code 3
 */
export function checkWritable(source: HostFile, { layout, dataFile }: QcowPart): void {
  const { path } = source;
  if (layout.features.corrupt) {
    const what = 'marked as corrupt; repair it with qemu-img check -r all, or use --read-only';
    throw unsupported(path, what);
  }
  if (dataFile?.blockDevice === true) {
    throw unsupported(path, 'its data file is a block device; use --read-only');
  }
}

/** The cluster after the last one of metadata. */
function lastOf(metadata: ReadonlySet<number>): number {
  let end = 0;
  for (const cluster of metadata) end = Math.max(end, cluster + 1);
  return end;
}

/**
 * The end of the clusters in use, bytes. (On a block device the size of the file does not say.) Reads
 * the refcount blocks from the last one down, to the first with a nonzero refcount.
 *
 * @param table Offsets of refcount blocks, 0 for none.
 */
function findEnd(source: ReadableFile, layout: QcowLayout, table: Float64Array): number {
  const { clusterBytes, refcountOrder } = layout;
  const perBlock = refcountsPerBlock(layout);
  for (let index = table.length - 1; index >= 0; index--) {
    if (table[index] === 0) continue;
    const block = source.read(table[index]!, clusterBytes);
    for (let i = perBlock - 1; i >= 0; i--) {
      if (getRefcount(block, i, refcountOrder) !== 0) {
        return (index * perBlock + i + 1) * clusterBytes;
      }
    }
  }
  return clusterBytes;
}
