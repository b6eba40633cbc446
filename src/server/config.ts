import type { GroupsConfig } from '../control/set-up-groups.js';
import type { NbdOptions } from '../host/nbd-export.js';
import type { ChainOptions } from '../image/open-chain.js';

/** Where metrics are to be had. */
export interface MetricsAddress {
  host: string;
  port: number;
}

/** Environment variable that tells a daemon which process, a keeper, has started it to go on with a mount. */
export const KEEPER = 'SLUICE_KEEPER';

/** In the place of an overlay's path: what is written is kept only as long as the image is in the mount. */
export const DISCARD = 'discard';

export const OVERLAY_ACTIONS = ['commit', 'reset'] as const;
/**
 * What becomes of the writes of an overlay. `commit`: they go into the image below; `reset`: they are dropped. The
 * overlay is empty then.
 */
export type OverlayAction = (typeof OVERLAY_ACTIONS)[number];

/** One image to show in the mount. */
export interface ImageConfig extends ChainOptions {
  /** The file `NAME.raw` in the mount. */
  name: string;
  /** Absolute path of the host file or block device, or the URI of an export. */
  path: string;
  /** Absolute path of the image that takes the writes, or DISCARD; missing: the image itself does. */
  overlay?: string;
  /** Absolute path of the file that keeps what is read of the NBD export; missing: none does. */
  cacheFile?: string;
  /** Faults that the user wants, as `parseFaults` takes them; missing: none. */
  faults?: string;
  /** Options of this image alone; what is missing is as the mount has it. */
  own?: ImageOptions;
  /** The image as it was asked for, if this is its overlay, which has taken its place. */
  asked?: ImageConfig;
}

/** Options that an image may have for itself. */
export type ImageOptions = Partial<
  Pick<DiskOptions, 'readOnly' | 'growable' | 'direct' | 'metadataCache' | 'partitions'>
>;

/** How partition tables are read. */
export interface PartitionOptions {
  /** Bytes of a sector; null: the table or the device tells. */
  sectorSize: number | null;
}

/**
 * A mount as the user asked for it, checked and resolved by the command line. Plain data: it is
 * sent from the command to the daemon process and from there to the data plane's thread.
 */
export interface MountConfig extends GroupsConfig {
  /** Absolute path of an existing directory. */
  mountpoint: string;
  images: ImageConfig[];
  /** No image may name files that the command line does not; also for images that come later. */
  untrusted: boolean;
  readOnly: boolean;
  growable: boolean;
  /** Names of the images whose files the kernel reads and writes by itself. */
  passthrough: string[];
  /** Show the partitions of images as files of their own; null: images only. */
  partitions: PartitionOptions | null;
  /** How exports of NBD servers are used. */
  nbd: NbdOptions;
  /** Open images with O_DIRECT where the host file allows it. */
  direct: boolean;
  cache: 'none' | 'page';
  /** Bound of an image's metadata caches, bytes. */
  metadataCache: number;
  transport: 'auto' | 'uring' | 'fuse-native' | 'fuse-uring';
  /** Bounded spinning for new requests after the last one, in microseconds. 0: never spin. */
  pollUs: number;
  allowOther: boolean;
  /** The owner of the image files in the mount; null: the user who mounts. */
  owner: { uid: number; gid: number } | null;
  /** Their permission bits; null: those of the host files. */
  mode: number | null;
  /** Further words for the mount, in the style of fstab. */
  mountOptions: string[];
  /** Log a line for each request. */
  verbose: boolean;
  foreground: boolean;
  /** A process starts a daemon again that has died. */
  keeper: boolean;
  /** Where metrics are to be had over HTTP; null: nowhere. */
  metrics: MetricsAddress | null;
  /** File with the token that changes groups on the page of that address; null: nobody can. */
  metricsToken: string | null;
  /** Where the background daemon logs; null: the default place. */
  logFile: string | null;
  /** Where it comes from; null: the command line alone. */
  source: ConfigSource | null;
}

/** A configuration file, and what the command line says besides. */
export interface ConfigSource {
  /** Absolute path. */
  file: string;
  /** The words of the command line, which win, by their names. */
  words: Readonly<Record<string, unknown>>;
  /** The directory from which their paths start. */
  directory: string;
  /** As they are asked for, without their overlays in their places. */
  images: readonly ImageConfig[];
}

/** The part of a mount's configuration that its disks depend on. */
export type DiskOptions = Pick<
  MountConfig,
  | 'images'
  | 'owner'
  | 'mode'
  | 'readOnly'
  | 'growable'
  | 'direct'
  | 'metadataCache'
  | 'passthrough'
  | 'partitions'
  | 'nbd'
> &
  Partial<Pick<MountConfig, 'keeper'>>;
