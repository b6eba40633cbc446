import type { Owner } from '../fuse/attributes.js';
import type { HostTimes, Timespec } from '../host/host-times.js';
import type { EngineFile } from '../host/uring-engine.js';
import type { LayerConfig } from '../image/build-chain.js';
import type { Chain } from '../image/chain.js';
import type { Image } from '../image/image.js';
import type { WritePart } from '../image/qcow2/read-for-writing.js';
import type { FlushLosses } from './flush-losses.js';
import type { RangeLocks } from './range-locks.js';

/** What the control plane has found out about a disk before it starts the data plane. Plain data. */
export interface DiskConfig {
  name: string;
  /** Absolute path of the image, and its format. */
  path: string;
  format: string;
  /** Open descriptor of the host file. */
  descriptor: number;
  /** Size of the host file, bytes. */
  hostSize: number;
  /** Bytes that the host has allocated for it. */
  allocated: number;
  /** Offsets and lengths of host I/O are multiples of this; 1 for buffered I/O. At most 4096. */
  alignment: number;
  readOnly: boolean;
  growable: boolean;
  blockDevice: boolean;
  /** On a file system in memory. */
  inMemory: boolean;
  /** Permission bits to show. */
  mode: number;
  /** Who owns the file in the mount; missing: the mounter. */
  owner?: Owner | undefined;
  times: HostTimes;
  /** How the image is made up; null for a raw image, which is its host file. */
  chain: ChainConfig | null;
}

/** An image of layers. Plain data. */
export interface ChainConfig {
  /** The image itself first. Files: 0 is the descriptor of the disk, the others follow in `files`. */
  layers: LayerConfig[];
  /** Host files besides the disk's own: backing files and external data files. */
  files: EngineFile[];
  /** Bound of the metadata caches, bytes. */
  cacheBytes: number;
  /** What writing the image itself needs; null for a read-only one. */
  write: WritePart | null;
}

/** A disk as the data plane serves it. */
export interface Disk {
  readonly config: DiskConfig;
  readonly image: Image;
  /** For an image of layers: the same image, and what it needs; null for a raw one. */
  readonly chain: Chain | null;
  /** The engine's index of the host file. */
  readonly file: number;
  /** The throttle's number of this member. */
  readonly member: number;
  readonly locks: RangeLocks;
  readonly losses: FlushLosses;
  /** Written since the last flush began. */
  dirty: boolean;
  /** Written since it was opened last. */
  written: boolean;
  /** Time of the last write as of the last open; null before. */
  openedAt: Timespec | null;
  /** Bytes that the host has allocated for it, as last asked. */
  allocated: number;
  /** Times of the host file, as last asked. */
  times: HostTimes;
}

/** Descriptor of the external data file of a disk's image, -1 without one. */
export function dataDescriptor({ chain }: DiskConfig): number {
  // 0 is the image itself, which is not in the list.
  const index = chain?.layers[0]?.qcow?.dataFile ?? 0;
  return index === 0 ? -1 : chain!.files[index - 1]!.descriptor;
}
