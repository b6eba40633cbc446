import type { HostStatus } from '../host/engine.js';
import type { HostTimes, Timespec } from '../host/host-times.js';
import type { Driver } from '../image/driver.js';
import type { ImageConfig } from '../image/image-config.js';
import type { FlushLosses } from './flush-losses.js';
import type { RangeLocks } from './range-locks.js';
import type { Owner } from './transport.js';

/** A disk as the control plane has found it before the data plane starts. Plain data. */
export interface DiskConfig {
  name: string;
  /** Absolute path of the image, and its format. */
  path: string;
  format: string;
  /** The image. Disks that show parts of one image have the same object here. */
  image: ImageConfig;
  /** Number (dev_t) of the device that the image is on; weights share each device by itself. */
  device: number;
  /** The part of the image that is shown: its first byte, and its length; null: up to the end. */
  start: number;
  length: number | null;
  readOnly: boolean;
  growable: boolean;
  /** Permission bits to show. */
  mode: number;
  /** The owner of the file in the mount; missing: the mounting user. */
  owner?: Owner | undefined;
  /** A descriptor for the kernel, which reads and writes the file by itself; missing: this program does. */
  backing?: number | undefined;
  /** Bytes that the host has allocated for the image, and its times. */
  allocated: number;
  times: HostTimes;
}

/** An image that is served: the state that its disks share. */
export interface ServedImage {
  readonly driver: Driver;
  readonly locks: RangeLocks;
  readonly losses: FlushLosses;
  /** Name for messages. */
  readonly name: string;
  readonly readOnly: boolean;
  /** Written since the last flush began. */
  dirty: boolean;
  /** Status of the image's file, as last asked of the host. */
  readonly status: HostStatus;
}

/** A disk as the data plane serves it: a view of an image. */
export interface Disk {
  readonly config: DiskConfig;
  readonly image: ServedImage;
  /** The throttle's numbers of this member, NONE for one that is passed through, and of the device. */
  readonly member: number;
  readonly device: number;
  /** Written since it was opened last. */
  written: boolean;
  /** Time of the last write as of the last open; null before. */
  openedAt: Timespec | null;
}

/** The kernel carries out its reads and writes: they are neither seen nor charged here. */
export function isPassedThrough({ config }: Pick<Disk, 'config'>): boolean {
  return config.backing !== undefined;
}

/** Size of the file that shows the disk, bytes. */
export function diskSize({ config, image }: Disk): number {
  return config.length ?? image.driver.size - config.start;
}
