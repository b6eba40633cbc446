import { truncateSync } from 'node:fs';
import { HOLE_BYTES, NEAR_BYTES } from './far-files.js';
import { type Kind, limits } from './image-kinds.js';

// Images that only runs have in which something is tight: see `tight.ts`.

const KIB = 1024;

/**
 * The clusters from the second MiB of the disk on nearly fill the first block of refcounts, which counts NEAR_BYTES. Nearly
 * all that comes later lies behind 4 GiB.
 */
export const FAR: Kind = {
  title: 'clusters behind 4 GiB',
  far: true,
  make(maker) {
    maker.create('top.qcow2', '3M', 'cluster_size=4k,refcount_bits=64');
    maker.io('top.qcow2', 'qcow2', 'write -P 1 1M 2000k');
    truncateSync(maker.path('top.qcow2'), HOLE_BYTES + NEAR_BYTES);
  },
  ...limits(4 * KIB),
  growth: 2,
};

/** Each sector of its tables is about 128 KiB, so that one that is not read is missed. */
export const WIDE: Kind = {
  title: 'tables of many sectors',
  make(maker) {
    maker.create('top.qcow2', '2M', 'cluster_size=2k,refcount_bits=64');
    maker.io('top.qcow2', 'qcow2', 'write -P 1 64k 1M');
  },
  ...limits(2 * KIB),
  growth: 2,
};

/** A disk that gets longer shows what its backing file has there, unless its new tables come first. */
function overFull(title: string, options: string, clusterBytes: number): Kind {
  return {
    title,
    make(maker) {
      maker.create('base.qcow2', '1M', '');
      maker.io('base.qcow2', 'qcow2', 'write -P 7 0 1M');
      maker.create('top.qcow2', '256k', options, '-b', 'base.qcow2', '-F', 'qcow2');
    },
    ...limits(clusterBytes),
    growth: 4,
  };
}

/** Its L1 table of one cluster is full, and moves when the disk gets longer. */
const FULL_L1: Kind = {
  title: 'an L1 table that moves',
  make(maker) {
    maker.create('top.qcow2', '1984k', 'cluster_size=512');
    maker.io('top.qcow2', 'qcow2', 'write -P 1 64k 200k', 'write -z 128k 64k');
  },
  ...limits(512),
  growth: 3,
};

/** Images whose sizes, when they change, are written to the disk last. */
export const GROWING: readonly Kind[] = [
  overFull('over a full disk, clusters of 64 KiB', '', 64 * KIB),
  overFull('over a full disk, clusters of 4 KiB', 'cluster_size=4k', 4 * KIB),
  FULL_L1,
];

export const TIGHT_KINDS: readonly Kind[] = [FAR, WIDE, ...GROWING];
