import type { Compression } from '../inflate-calls.js';
import { SUBCLUSTERS } from './abi.js';

/** The header of a qcow2 image, decoded and checked. Plain data. Offsets and sizes are bytes. */
export interface QcowLayout {
  version: 2 | 3;
  clusterBits: number;
  clusterBytes: number;
  /** Virtual size as in the header. The mounted file is rounded up to a sector. */
  size: number;
  l1Offset: number;
  /** Entries of the active L1 table. */
  l1Entries: number;
  refcountTableOffset: number;
  refcountTableClusters: number;
  /** Bits of a refcount: 1 << refcountOrder. */
  refcountOrder: number;
  snapshotCount: number;
  snapshotsOffset: number;
  headerBytes: number;
  compression: Compression;
  extendedL2: boolean;
  features: QcowFeatures;
  /** As in the image; null without a backing file. */
  backingName: string | null;
  /** Null if the image does not record it. */
  backingFormat: string | null;
  /** Name of the external data file, null without one. */
  dataFileName: string | null;
  /** The external data file is a raw image of the disk. */
  dataFileRaw: boolean;
}

export interface QcowFeatures {
  /** Refcounts may be wrong: they must be rebuilt before the image is written. */
  dirty: boolean;
  /** The image must not be written before it has been repaired. */
  corrupt: boolean;
  lazyRefcounts: boolean;
  /** The persistent bitmaps are valid. */
  bitmaps: number;
}

/** Size of an L2 slice: a page, or a whole table if clusters are smaller than a page. */
export const SLICE_BYTES_MAX = 4096;

/** Sizes that follow from a layout. */
export interface Geometry {
  clusterBytes: number;
  /** 8, or 16 with extended L2 entries. */
  entryBytes: number;
  /** Entries of an L2 table, which fills one cluster. */
  l2Entries: number;
  sliceBytes: number;
  sliceEntries: number;
  slicesPerTable: number;
  /** Bytes of the disk that one slice covers, and that one L2 table covers. */
  sliceCoverage: number;
  l2Coverage: number;
}

export function geometryOf(layout: QcowLayout): Geometry {
  const { clusterBytes, extendedL2 } = layout;
  const entryBytes = extendedL2 ? 16 : 8;
  const l2Entries = clusterBytes / entryBytes;
  const sliceBytes = Math.min(clusterBytes, SLICE_BYTES_MAX);
  const sliceEntries = sliceBytes / entryBytes;
  return {
    clusterBytes,
    entryBytes,
    l2Entries,
    sliceBytes,
    sliceEntries,
    slicesPerTable: clusterBytes / sliceBytes,
    sliceCoverage: sliceEntries * clusterBytes,
    l2Coverage: l2Entries * clusterBytes,
  };
}

/** Size of the smallest unit with a place of its own in the host file: a cluster or a subcluster. */
export function smallestUnit(layout: QcowLayout): number {
  return layout.extendedL2 ? layout.clusterBytes / SUBCLUSTERS : layout.clusterBytes;
}

/** Refcounts in a block, which fills one cluster. */
export function refcountsPerBlock({ clusterBytes, refcountOrder }: QcowLayout): number {
  return (clusterBytes * 8) / 2 ** refcountOrder;
}
