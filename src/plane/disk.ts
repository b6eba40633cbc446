import type { Image } from '../image/image.js';
import type { RangeLocks } from './range-locks.js';

/** What the control plane has found out about a disk before it starts the data plane. Plain data. */
export interface DiskConfig {
  name: string;
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
  modifiedMs: number;
}

/** A disk as the data plane serves it. */
export interface Disk {
  readonly config: DiskConfig;
  readonly image: Image;
  /** The engine's index of the host file. */
  readonly file: number;
  /** The throttle's number of this member. */
  readonly member: number;
  readonly locks: RangeLocks;
  /** Written since the last flush began. */
  dirty: boolean;
  /** Bytes that the host has allocated for it, as last asked. */
  allocated: number;
  modifiedMs: number;
}
