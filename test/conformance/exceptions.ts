/**
 * Everything that one way of serving cannot do although another can. docs/transports.md and
 * docs/qcow2.md give the reasons. The tests have no other exceptions.
 */
export interface Exceptions {
  /** lseek(2) finds no holes: everything counts as data. */
  noSeek: boolean;
  /** fallocate(2) fails with EOPNOTSUPP. */
  noAllocate: boolean;
  /** A process that waits in a group cannot be interrupted. */
  noInterrupt: boolean;
  /** The kernel reads and writes the file: no fixed size, no sectors, no read-only view, no groups. */
  passedThrough: boolean;
  /** A growable image cannot be made smaller. */
  noShrinking: boolean;
}

const NONE: Exceptions = {
  noSeek: false,
  noAllocate: false,
  noInterrupt: false,
  noShrinking: false,
  passedThrough: false,
};

export type TransportName = 'uring' | 'fuse-native';
export type FormatName = 'raw' | 'qcow2';

const OF_TRANSPORT: Readonly<Record<TransportName, Partial<Exceptions>>> = {
  uring: {},
  'fuse-native': { noSeek: true, noAllocate: true, noInterrupt: true },
};

const OF_FORMAT: Readonly<Record<FormatName, Partial<Exceptions>>> = {
  raw: {},
  qcow2: { noShrinking: true },
};

export const TRANSPORTS = Object.keys(OF_TRANSPORT) as TransportName[];
export const FORMATS = Object.keys(OF_FORMAT) as FormatName[];

/** @param transport Null: no transport, requests come straight to the plane. */
export function exceptionsOf(transport: TransportName | null, format: FormatName): Exceptions {
  return { ...NONE, ...(transport === null ? {} : OF_TRANSPORT[transport]), ...OF_FORMAT[format] };
}
