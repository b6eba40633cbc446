// The types of `import { mount, connect } from 'sluicefs'`. This file is published as it is, so it imports nothing.
// docs/api.md tells what the requests and answers mean.

/** Mounts images, and resolves when the files can be used. The daemon is a process of its own and outlives this one. */
export type MountFunction = (
  images: string | ImageRequest | readonly (string | ImageRequest)[],
  options: MountOptions,
) => Promise<Mount>;

/**
 * The mount at a directory, for the user who has made it and for root.
 * Rejects with EINVAL if Sluice is not mounted there, with EACCES if its socket cannot be reached.
 */
export type ConnectFunction = (mountpoint: string) => Promise<Mount>;

/** What every promise of this package rejects with. */
export interface SluiceError extends Error {
  /** Name of an errno, such as `ENOENT`. It stays the same from version to version; sentences do not. */
  code: string;
  /** The number of `code`, negative as in errors of Node.js; undefined where this system has none. */
  errno: number | undefined;
  /** What to do, or what there is; null: nothing to say. `message` has only the fault. */
  hint: string | null;
  /** The exit code of a command that ends with this error. */
  exitCode: number;
}

/** An image, as `sluice attach` takes it. What is missing is as the mount has it. */
export interface ImageRequest {
  /** A relative one starts from the working directory. */
  path: string;
  /** Shown as `NAME.raw`; missing: the name of the file without its ending. */
  name?: string;
  /** Missing: found out. */
  format?: string;
  /** Of backing files, from the top, for those whose overlay does not say. */
  backingFormats?: readonly string[];
  /** ID or name of an internal snapshot. */
  snapshot?: string;
  /** A file that takes the writes, or `discard`: they are kept as long as the image is attached. */
  overlay?: string;
  /** The file that keeps what is read of an NBD export, from one mount to the next. */
  cacheFile?: string;
  readOnly?: boolean;
  growable?: boolean;
  direct?: boolean;
  /** Refuse every file that the image names, but for `dataFiles` and `backingFiles`. */
  untrusted?: boolean;
  dataFiles?: readonly string[];
  backingFiles?: readonly string[];
  /** Bytes. */
  metadataCache?: number;
  /** Show its partitions. */
  partitions?: boolean;
  /** Bytes of a sector of its partition table. */
  sectorSize?: number;
  /** Faults on purpose, as `sluice faults` takes them: `read.error=1%,write.delay=20ms`. */
  faults?: string;
  /** Groups of the image and its partitions, by their names. */
  assign?: Readonly<Record<string, string>>;
}

/** The options of `sluice mount`; docs/manual.md has their meaning. */
export interface MountOptions {
  /** An existing directory. */
  mountpoint: string;
  /** Groups by their paths, with the settings that they begin with. */
  groups?: Readonly<Record<string, Settings>>;
  /** Rules about callers: `{ 'uid:1000': 'slow' }`. Images have `assign` of their own. */
  assign?: Readonly<Record<string, string>>;
  readOnly?: boolean;
  growable?: boolean;
  direct?: boolean;
  untrusted?: boolean;
  partitions?: boolean;
  metadataCache?: number | string;
  sectorSize?: number | string;
  cache?: 'none' | 'page';
  transport?: 'auto' | 'uring' | 'fuse-uring' | 'fuse-native';
  depth?: 'auto' | number;
  pollUs?: number;
  nbdTimeout?: number;
  nbdConnections?: number;
  /** Names of images. */
  passthrough?: readonly string[];
  owner?: string;
  /** Octal, such as `0660`. */
  mode?: string;
  allowOther?: boolean;
  keeper?: boolean;
  /** `[HOST:]PORT`. */
  metrics?: string;
  /** Where the daemon logs. */
  log?: string;
  verbose?: boolean;
  /** Options in the style of fstab. */
  o?: readonly string[];
}

/** Settings of a group by the keys of `sluice set`: `{ bps: '10M', weight: 80 }`. */
export type Settings = Readonly<Record<string, string | number | readonly string[]>>;

/** A mount that is served. Its methods are the requests of the socket. */
export interface Mount {
  readonly mountpoint: string;
  /** Sentences about what the mount found; of `connect`: none. */
  readonly warnings: readonly string[];
  about(): Promise<About>;
  /** Figures of all groups, or of one and those below it. */
  stat(group?: string): Promise<Stat>;
  groups(): Promise<Group[]>;
  /** Changes settings of a group, all or none. `create` makes the group, and those above it, if they are not there. */
  set(group: string, settings: Settings, options?: { create?: boolean }): Promise<void>;
  /** Removes an empty group. */
  remove(group: string): Promise<void>;
  images(): Promise<Image[]>;
  partitions(): Promise<Partition[]>;
  /** A text is `[NAME=]IMAGE`. Resolves when the image can be used. */
  attach(image: string | ImageRequest): Promise<Attached>;
  /** Resolves when the image is on disk. Rejects with EBUSY while it is open, unless `force` is true. */
  detach(name: string, options?: { force?: boolean }): Promise<void>;
  /** Makes an image `size` bytes long; without a size: takes over what somebody else has added to its file. */
  resize(name: string, size?: number): Promise<Image>;
  /** `commit`: what an overlay has goes into the image below; `reset`: it is dropped. */
  overlay(name: string, action: 'commit' | 'reset'): Promise<Attached>;
  /** Has requests of an image fail, or be late; `off` ends that. */
  faults(name: string, faults: string): Promise<Image>;
  /** The running configuration. */
  save(): Promise<Saved>;
  /** Reads the configuration file of the mount again. Resolves with sentences for the user. */
  reload(): Promise<string[]>;
  /** Flushes and unmounts, and resolves when the daemon has ended. `force`: although files are open. */
  umount(options?: { force?: boolean }): Promise<void>;
}

export interface About {
  mountpoint: string;
  pid: number;
  version: string;
  transport: string;
  /** Does another daemon go on if this one dies? `lost`: the keeper has ended, and there is no other. */
  keeper: 'yes' | 'no' | 'lost';
  ageSeconds: number;
  /** Milliseconds since 1970. */
  timeMs: number;
  /** How many requests the groups have let pass since the mount, up to `timeMs`. */
  requests: number;
}

export interface Image {
  name: string;
  path: string;
  format: string;
  /** Bytes. */
  size: number;
  readOnly: boolean;
  passthrough: boolean;
  /** Null: none. */
  faults: FaultsState | null;
  /** The file that keeps what is read of its export; missing: it has none. */
  cache?: CacheState;
}

/** Faults that were asked for, and what they have done. */
export interface FaultsState {
  /** As `faults` takes them. */
  words: string;
  /** Requests. */
  failed: number;
  delayed: number;
}

/** How such a file is, since the image came. */
export interface CacheState {
  path: string;
  /** Bytes that it has. */
  kept: number;
  /** Bytes of reads that it answered, and that the server did. */
  fromCache: number;
  fromServer: number;
  /** It takes more. */
  isGrowing: boolean;
}

export interface Attached {
  /** Null: the mount has ended meanwhile. */
  image: Image | null;
  warnings: string[];
}

export interface Partition {
  /** As a member of groups, and before `.raw`. */
  name: string;
  /** Place in the image, bytes. */
  start: number;
  /** Of its file, which ends with the image at the latest. Bytes. */
  size: number;
  /** As its table has it. */
  type: string;
  /** '' if it has none. */
  label: string;
}

export interface Group {
  /** `/` is the root group. */
  path: string;
  /** As `set` takes them. */
  settings: Record<string, string | number | string[]>;
  members: string[];
}

/** What `sluice stat --json` prints. */
export interface Stat {
  time: string;
  mountpoint: string;
  daemon: { pid: number; version: string; transport: string };
  images: Image[];
  groups: GroupStat[];
}

/** The figures of a group; docs/manual.md has all of them. */
export interface GroupStat {
  path: string;
  weight: number;
  limits: Record<string, number | null>;
  members: { name: string; figures: Figures }[];
  total: Figures;
  [more: string]: unknown;
}

/** Counts since the mount. */
export interface Figures {
  rbytes: number;
  wbytes: number;
  dbytes: number;
  rios: number;
  wios: number;
  dios: number;
  waitUsec: number;
  /** Requests that had to wait. */
  waits: number;
  queued: number;
  inflight: number;
}

export interface Saved {
  /** What `sluice mount --config` takes, as JSON. */
  config: {
    mountpoint: string;
    images: Record<string, string | Record<string, unknown>>;
    groups: Record<string, Record<string, unknown>>;
    options: Record<string, unknown>;
  };
  /** What no file can keep, in sentences. */
  leftOut: string[];
}
