import type { Faults } from '../control/faults.js';
import type { HostStatus, Task } from '../host/engine.js';
import type { HostTimes, Timespec } from '../host/host-times.js';
import type { Driver } from '../image/driver.js';
import type { ImageConfig } from '../image/image-config.js';
import type { Mappings } from '../image/mappings.js';
import type { TableFound } from '../image/read-image.js';
import type { Partition } from '../partitions/table.js';
import type { ImageFaults } from './fault-filter.js';
import type { FlushLosses } from './flush-losses.js';
import type { RangeLocks } from './range-locks.js';
import { NONE } from './requests.js';
import type { TableWatch } from './table-watch.js';
import type { DiskStatus, Owner } from './transport.js';

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
  /** The table of a whole image, as it was found; missing: its partitions are not shown. */
  partitions?: TableFound | undefined;
  readOnly: boolean;
  growable: boolean;
  /** Permission bits to show. */
  mode: number;
  /** The owner of the file in the mount; missing: the mounting user. */
  owner?: Owner | undefined;
  /** A descriptor for the kernel, which reads and writes the file by itself; missing: this program does. */
  backing?: number | undefined;
  /** Faults that the user wants, with a seed; missing: none. */
  faults?: Faults | undefined;
  /** Bytes that the host has allocated for the image, and its times. */
  allocated: number;
  times: HostTimes;
}

/** The partitions of an image, as they are shown. */
export interface ShownPartitions {
  /** Notices writes to the place of the table. */
  readonly watch: TableWatch;
  readonly disks: Disk[];
  /** Should the table be read again, now that a handle of this disk was closed? */
  isWantedAfter(disk: Disk): boolean;
  /** Reads the table again. The request must have a slot. 0, also if it cannot be read. */
  reread(request: number): Task;
  /** A table is being read, in the name of some request. */
  readonly isReading: boolean;
  /** The image is being detached: requests for its partitions get this errno, negative; 0: it stays after all. */
  refuse(errno: number): void;
  /** The image goes, and its partitions with it. Nothing is under way for them. */
  close(): void;
}

/** An image that is served: the state that its disks share. */
export interface ServedImage {
  readonly driver: Driver;
  /** The engine's handles of its host files. */
  readonly files: readonly number[];
  readonly mappings: Mappings;
  readonly locks: RangeLocks;
  readonly losses: FlushLosses;
  /** Name for messages. */
  readonly name: string;
  /** None of its disks can be written. */
  readOnly: boolean;
  /** Written since the last flush began, in part at least. */
  dirty: boolean;
  /** Changes through all its disks. */
  writes: number;
  /** Null if its partitions are not shown. */
  partitions: ShownPartitions | null;
  /** Null: it has no faults but its own. */
  faults: ImageFaults | null;
  /** Status of the image's file, as last asked of the host. */
  readonly status: HostStatus;
}

/** A disk as the data plane serves it: a view of an image. */
export interface Disk {
  readonly config: DiskConfig;
  readonly image: ServedImage;
  /** The partition that it shows; null for a whole image. */
  partition: Partition | null;
  /** The throttle's numbers of the member that it is charged to, NONE if it is passed through, and of the device. */
  member: number;
  readonly device: number;
  /** Handles that are open. */
  opens: number;
  /** Of these, opens that are not answered; less than 0: closes. */
  pendingOpens: number;
  /** Changes through this disk. */
  writes: number;
  /** As it was at the last open; null before. */
  seen: Seen | null;
}

/** The kernel carries out its reads and writes: they are neither seen nor charged here. */
export function isPassedThrough({ member }: Pick<Disk, 'member'>): boolean {
  return member === NONE;
}

/** What the kernel's cached pages of a disk come from. */
interface Seen {
  /** Time of the last write to the host file. */
  modified: Timespec;
  /** Changes through this disk, and through other disks of the image. */
  own: number;
  others: number;
}

/** Size of the file that shows the disk, bytes. A part of an image ends with it at the latest. */
export function diskSize({ config, image }: Disk): number {
  const rest = image.driver.size - config.start;
  return config.length === null ? rest : Math.max(0, Math.min(config.length, rest));
}

/** A change has ended. A flush that began meanwhile does not cover it. */
export function noteChanged(image: ServedImage): void {
  image.dirty = true;
}

/** How a disk looks from outside, as it was found last. */
export function diskStatus(disk: Disk): DiskStatus {
  const { mode, owner } = disk.config;
  const { allocated, times } = disk.image.status;
  const size = diskSize(disk);
  const isPartition = disk.partition !== null;
  // Nobody knows how much of it is the partition's.
  const most = isPartition ? Math.min(allocated, size) : allocated;
  return { size, allocated: most, times, mode, owner, isPartition };
}

/** The bytes of a disk are being changed. */
export function noteChange(disk: Disk): void {
  disk.writes++;
  disk.image.writes++;
  disk.image.dirty = true;
}
