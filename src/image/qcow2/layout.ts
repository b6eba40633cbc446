import { SUBCLUSTERS } from './abi.js';

/** The header of a qcow2 image, decoded and checked. Plain data. Offsets and sizes are bytes. */
export interface QcowLayout {
  version: 2 | 3;
  clusterBits: number;
  clusterBytes: number;
  /** Virtual size as written in the header; what is shown is rounded up to a sector. */
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
  /** As written in the image; null without one. */
  backingName: string | null;
  /** Null where the image does not say. */
  backingFormat: string | null;
  /** Name of the external data file, null without one. */
  dataFileName: string | null;
  /** The external data file is a raw image by itself. */
  dataFileRaw: boolean;
}

/** How compressed clusters are compressed: raw DEFLATE, or Zstandard frames. */
export type Compression = 'zlib' | 'zstd';

export interface QcowFeatures {
  /** Refcounts are stale: they must be rebuilt before the image is written. */
  dirty: boolean;
  /** Not to be written until somebody has repaired it. */
  corrupt: boolean;
  lazyRefcounts: boolean;
  /** Persistent bitmaps that are valid. */
  bitmaps: number;
}

/** Bytes of a table that are cached as one: a page, or a whole table where clusters are smaller. */
export const SLICE_BYTES_MAX = 4096;

/** Sizes that follow from a layout. */
export interface Geometry {
  clusterBytes: number;
  /** 8, or 16 with extended L2 entries. */
  entryBytes: number;
  /** Entries of an L2 table: a cluster full. */
  l2Entries: number;
  sliceBytes: number;
  sliceEntries: number;
  slicesPerTable: number;
  /** Bytes of the disk that a slice, and an L2 table, describe. */
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

/** Bytes of the smallest piece that has a place of its own in the host file. */
export function smallestUnit(layout: QcowLayout): number {
  return layout.extendedL2 ? layout.clusterBytes / SUBCLUSTERS : layout.clusterBytes;
}
