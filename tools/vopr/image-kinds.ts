import { statSync, truncateSync, writeFileSync } from 'node:fs';
import { fillRandom } from '../exerciser/random.js';
import type { Maker } from '../lib/image-maker.js';

/** A kind of image to be written while its host may fail at any moment. */
export interface Kind {
  title: string;
  make(maker: Maker): void;
  /** Alignments of host I/O that are possible with its cluster size. */
  alignments: readonly number[];
  /** Largest write, bytes. */
  longest: number;
  /** Where a backing file ends within a sector. */
  end?: number;
  /** The disk may grow to this many times its size. */
  growth?: number;
  /**
   * Its file ends before its last clusters do. On a block device it would not, and `qemu-img check` calls that
   * an error.
   */
  endsEarly?: boolean;
  /** Its format here, and for qemu-img; missing: qcow2. */
  format?: string;
  qemu?: string;
  /** The name of its file; missing: `top.qcow2`. */
  top?: string;
  /** Images of its format are not written. */
  readOnly?: boolean;
  /** Each byte has a place of its own, so it is written as a raw image is. */
  inPlace?: boolean;
  /** The first write changes its header before, and fails if that does: then nothing is lost. */
  marks?: boolean;
  /** Its clusters are compressed, and of this size. */
  compressedBytes?: number;
  /** The image right below it, of which it can be an overlay. */
  below?: { name: string; format: string };
  /** Its file has more than 4 GiB: see `far-files.ts`. */
  far?: boolean;
  /** The disk has a table with these partitions in its first sector, sectors. */
  partitions?: readonly KnownPartition[];
}

/** A partition of a disk, sectors. */
export interface KnownPartition {
  number: number;
  start: number;
  length: number;
}

const KIB = 1024;

function single(title: string, options: string, size: string, clusterBytes: number): Kind {
  return {
    title,
    make(maker) {
      maker.create('top.qcow2', size, options);
      maker.io('top.qcow2', 'qcow2', 'write -P 1 64k 200k', 'write -z 128k 64k');
    },
    ...limits(clusterBytes),
    growth: 3,
  };
}

/** Direct I/O needs units of at least 4 KiB, so small clusters are written through the page cache. */
export function limits(unitBytes: number): Pick<Kind, 'alignments' | 'longest'> {
  const longest = Math.min(256 * KIB, Math.max(16 * KIB, unitBytes * 3));
  return { alignments: unitBytes < 4 * KIB ? [1] : [1, 512, 4 * KIB], longest };
}

function withSnapshot(title: string, options: string, size: string, clusterBytes: number): Kind {
  return {
    title,
    make(maker) {
      maker.create('top.qcow2', size, options);
      maker.io('top.qcow2', 'qcow2', 'write -P 1 0 512k');
      maker.img('snapshot', '-c', 'one', 'top.qcow2');
      maker.io('top.qcow2', 'qcow2', 'write -P 2 128k 64k');
      maker.img('snapshot', '-c', 'two', 'top.qcow2');
    },
    ...limits(clusterBytes),
  };
}

function overlay(
  title: string,
  options: string,
  baseSize: string,
  clusterBytes: number,
  topSize = '2M',
): Kind {
  return {
    title,
    make(maker) {
      maker.create('base.qcow2', baseSize, '');
      maker.io('base.qcow2', 'qcow2', 'write -P 1 0 300k', 'write -P 2 700k 100k');
      maker.create('middle.qcow2', '1M', options, '-b', 'base.qcow2', '-F', 'qcow2');
      maker.io('middle.qcow2', 'qcow2', 'write -P 3 100k 100k', 'write -z 256k 64k');
      maker.create('top.qcow2', topSize, options, '-b', 'middle.qcow2', '-F', 'qcow2');
    },
    ...limits(clusterBytes),
    growth: 4,
    // A new overlay is as long as the image below.
    ...(topSize === '2M' ? { below: { name: 'middle.qcow2', format: 'qcow2' } } : {}),
  };
}

/** Bytes of which half is left when they are compressed, so that few compressed clusters share a cluster. */
export function halfNoise(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  fillRandom(bytes, 1);
  for (let at = 0; at < length; at += 4 * KIB) bytes.fill(0, at + 2 * KIB, at + 4 * KIB);
  return bytes.fill(0, 300 * KIB, 500 * KIB).fill(0, 800 * KIB);
}

function compressed(
  title: string,
  options: string,
  unitBytes: number,
  compressedBytes = unitBytes,
): Kind {
  return {
    title,
    compressedBytes,
    make(maker) {
      writeFileSync(maker.path('source'), halfNoise(1024 * KIB));
      maker.img('convert', '-c', '-f', 'raw', '-O', 'qcow2', '-o', options, 'source', 'top.qcow2');
    },
    ...limits(unitBytes),
  };
}

function overRaw(title: string, options: string, clusterBytes: number): Kind {
  const end = 700 * KIB + 1000;
  return {
    title,
    end,
    make(maker) {
      maker.raw('base.img', end);
      maker.io('base.img', 'raw', 'write -P 5 0 300k', 'write -P 6 600k 100k');
      maker.create('top.qcow2', '2M', options, '-b', 'base.img', '-F', 'raw');
    },
    ...limits(clusterBytes),
    below: { name: 'base.img', format: 'raw' },
  };
}

/** So full that the refcount table, one cluster for each 2 MiB of the file, must grow. */
const FULL_TABLE: Kind = {
  title: 'a refcount table that grows',
  make(maker) {
    maker.create('top.qcow2', '3M', 'cluster_size=512,refcount_bits=64');
    maker.io('top.qcow2', 'qcow2', 'write -P 1 0 1900k');
  },
  ...limits(512),
};

/** Its last clusters lie behind the end of its file, and read as zeros. */
const BEHIND_THE_END: Kind = {
  title: 'clusters behind the end of the file',
  make(maker) {
    maker.create('top.qcow2', '2M', 'cluster_size=4k');
    maker.io('top.qcow2', 'qcow2', 'write -P 1 0 512k');
    const path = maker.path('top.qcow2');
    truncateSync(path, statSync(path).size - 256 * KIB);
  },
  ...limits(4 * KIB),
  endsEarly: true,
};

/** A sector of its refcounts is 32 KiB of the file: what a flush did not write of them no later one mends by chance. */
export const MANY_PIECES = single(
  'clusters of 512 bytes, 64-bit refcounts',
  'cluster_size=512,refcount_bits=64',
  '1M',
  512,
);

export const KINDS: readonly Kind[] = [
  single('clusters of 64 KiB', '', '4M', 64 * KIB),
  single('clusters of 4 KiB', 'cluster_size=4k', '4M', 4 * KIB),
  single('clusters of 512 bytes', 'cluster_size=512', '1M', 512),
  MANY_PIECES,
  single('clusters of 4 KiB, 1-bit refcounts', 'cluster_size=4k,refcount_bits=1', '2M', 4 * KIB),
  single('clusters of 256 KiB', 'cluster_size=256k', '4M', 256 * KIB),
  single('version 2', 'compat=0.10', '4M', 64 * KIB),
  single('version 2, clusters of 1 KiB', 'compat=0.10,cluster_size=1k', '1M', KIB),
  single('subclusters in 16 KiB', 'extended_l2=on,cluster_size=16k', '2M', 512),
  single('subclusters in 128 KiB', 'extended_l2=on,cluster_size=128k', '4M', 4 * KIB),
  single('lazy refcounts', 'lazy_refcounts=on', '4M', 64 * KIB),
  single('lazy refcounts, clusters of 512 bytes', 'lazy_refcounts=on,cluster_size=512', '1M', 512),
  withSnapshot('lazy refcounts and snapshots', 'lazy_refcounts=on,cluster_size=4k', '2M', 4 * KIB),
  single('an unaligned size', 'cluster_size=64k', String(1024 * KIB + 5 * 512), 64 * KIB),
  overlay('a chain of three', '', '1M', 64 * KIB),
  overlay('a chain of three with a longer base', 'cluster_size=4k', '3M', 4 * KIB),
  overlay('a chain of three with subclusters', 'extended_l2=on,cluster_size=16k', '1M', 512),
  overlay('a short disk over longer ones', '', '1M', 64 * KIB, '300k'),
  overlay(
    'short subclusters over longer ones',
    'extended_l2=on,cluster_size=16k',
    '1M',
    512,
    '300k',
  ),
  overlay('version 2 over longer images', 'compat=0.10,cluster_size=4k', '1M', 4 * KIB, '300k'),
  overRaw('over a short raw image', '', 64 * KIB),
  overRaw('over a short raw image, clusters of 512 bytes', 'cluster_size=512', 512),
  overRaw('version 2 over a short raw image', 'compat=0.10', 64 * KIB),
  overRaw('subclusters over a short raw image', 'extended_l2=on,cluster_size=128k', 4 * KIB),
  withSnapshot('snapshots', '', '2M', 64 * KIB),
  withSnapshot('snapshots, clusters of 512 bytes', 'cluster_size=512', '1M', 512),
  withSnapshot('snapshots, subclusters', 'extended_l2=on,cluster_size=16k', '2M', 512),
  compressed('zlib', 'cluster_size=64k', 64 * KIB),
  compressed('zlib in clusters of 4 KiB', 'cluster_size=4k', 4 * KIB),
  FULL_TABLE,
  compressed('zstd with subclusters', 'compression_type=zstd,extended_l2=on', 2 * KIB, 64 * KIB),
  BEHIND_THE_END,
];
