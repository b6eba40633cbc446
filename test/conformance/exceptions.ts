import type { Need } from '../helpers/requires.js';

/**
 * Everything that one way of serving cannot do although another can. docs/transports.md,
 * docs/qcow2.md and docs/formats.md give the reasons. The tests have no other exceptions.
 */
export interface Exceptions {
  /** lseek(2) finds no holes: everything counts as data. */
  noSeek: boolean;
  /** fallocate(2) fails with EOPNOTSUPP. */
  noAllocate: boolean;
  /** The most asynchronous requests that a test lets wait at a time. */
  mostWaiting: number;
  /** A process that waits in a group cannot be interrupted. */
  noInterrupt: boolean;
  /** The kernel reads and writes the file: no fixed size, no sectors, no read-only view, no groups. */
  passedThrough: boolean;
  /** A growable image cannot be made smaller. */
  noShrinking: boolean;
  /** An image keeps its size in spite of --growable. */
  noGrowth: boolean;
}

const NONE: Exceptions = {
  noSeek: false,
  noAllocate: false,
  noInterrupt: false,
  mostWaiting: 1500,
  noShrinking: false,
  noGrowth: false,
  passedThrough: false,
};

export type TransportName = 'uring' | 'fuse-native' | 'fuse-uring';
export type FormatName = 'raw' | 'qcow2' | 'vmdk' | 'vhd';

const OF_TRANSPORT: Readonly<Record<TransportName, Partial<Exceptions>>> = {
  uring: {},
  // With eight processors and little memory it has 117.
  'fuse-uring': { mostWaiting: 100 },
  'fuse-native': { noSeek: true, noAllocate: true, noInterrupt: true },
};

const OF_FORMAT: Readonly<Record<FormatName, Partial<Exceptions>>> = {
  raw: {},
  qcow2: { noShrinking: true },
  // Flat extents, which QEMU counts as data throughout.
  vmdk: { noGrowth: true, noSeek: true },
  // A fixed image, likewise.
  vhd: { noGrowth: true, noSeek: true },
};

/** What the machine needs for a transport, besides /dev/fuse. */
export const NEEDS: Readonly<Record<TransportName, readonly Need[]>> = {
  uring: ['io_uring'],
  'fuse-uring': ['io_uring', 'fuse-uring'],
  'fuse-native': [],
};

export const TRANSPORTS = Object.keys(OF_TRANSPORT) as TransportName[];
export const FORMATS = Object.keys(OF_FORMAT) as FormatName[];
/** For rules about groups and the life of a mount, which know nothing of formats. */
export const TWO_FORMATS: readonly FormatName[] = ['raw', 'qcow2'];

/** @param transport Null: no transport, requests come straight to the plane. */
export function exceptionsOf(transport: TransportName | null, format: FormatName): Exceptions {
  return { ...NONE, ...(transport === null ? {} : OF_TRANSPORT[transport]), ...OF_FORMAT[format] };
}
