/**
 * Everything that one way of serving cannot do and another can: docs/transports.md and docs/qcow2.md
 * say why. The tests have no exceptions but these.
 */
export interface Exceptions {
  /** lseek(2) finds no holes: all is data. */
  noSeek: boolean;
  /** fallocate(2) says EOPNOTSUPP. */
  noAllocate: boolean;
  /** Who waits in a group cannot be interrupted. */
  noInterrupt: boolean;
  /** `--growable` is for others. */
  noGrowth: boolean;
}

const NONE: Exceptions = { noSeek: false, noAllocate: false, noInterrupt: false, noGrowth: false };

export type TransportName = 'uring' | 'fuse-native';
export type FormatName = 'raw' | 'qcow2';

const OF_TRANSPORT: Readonly<Record<TransportName, Partial<Exceptions>>> = {
  uring: {},
  'fuse-native': { noSeek: true, noAllocate: true, noInterrupt: true },
};

const OF_FORMAT: Readonly<Record<FormatName, Partial<Exceptions>>> = {
  raw: {},
  qcow2: { noGrowth: true },
};

export const TRANSPORTS = Object.keys(OF_TRANSPORT) as TransportName[];
export const FORMATS = Object.keys(OF_FORMAT) as FormatName[];

/** @param transport Null: there is none, requests come straight to the plane. */
export function exceptionsOf(transport: TransportName | null, format: FormatName): Exceptions {
  return { ...NONE, ...(transport === null ? {} : OF_TRANSPORT[transport]), ...OF_FORMAT[format] };
}
