import type { HostTimes } from '../host/host-times.js';
import type { Owner } from './attributes.js';

/** The operation goes on; its result comes through `Dispatcher.finish`. Outside the errno range. */
export const DEFERRED = -10_000;
/** The request takes no reply (FORGET). */
export const NO_REPLY = -10_001;

/** What a disk looks like from outside. */
export interface DiskStatus {
  /** Bytes, a multiple of 512. */
  size: number;
  /** Bytes that the host has allocated for it. */
  allocated: number;
  times: HostTimes;
  /** Missing: the mounter. */
  owner?: Owner | undefined;
  /** Permission bits. */
  mode: number;
}

/**
 * What the protocol asks of disks, by index, for the request that is being dispatched. Each returns a
 * result at once (a number from 0, or -errno) or DEFERRED.
 */
export interface DiskOperations {
  /** What is known now. */
  status(disk: number): DiskStatus;
  /** Brings `status` up to date with the host. Result: 0. */
  refresh(disk: number): number;
  /** The same for all disks. */
  refreshAll(): number;
  /** Whether pages that the kernel has of the disk are still right. Result: 1 or 0. */
  look(disk: number): number;
  /** @param truncate O_TRUNC was given. Result: 0. */
  open(disk: number, forWriting: boolean, truncate: boolean): number;
  /** Result: bytes read, at the place where replies carry data. Always DEFERRED or an end of file. */
  read(disk: number, offset: number, length: number): number;
  /** @param fromCache The write is a mapped page's. Result: bytes written. */
  write(disk: number, offset: number, length: number, fromCache: boolean): number;
  /** A disk was opened. @returns The handle to give to the kernel. */
  opened(): number;
  /** A handle was closed for good. */
  closed(disk: number, handle: number): void;
  /** fsync, or fdatasync if `dataOnly`, through a handle. Result: 0. */
  flush(disk: number, dataOnly: boolean, handle: number): number;
  /** fallocate(2) with its mode bits. Result: 0. */
  allocate(disk: number, mode: number, offset: number, length: number): number;
  /** lseek(2) with SEEK_DATA (3) or SEEK_HOLE (4). Result: the offset. */
  seek(disk: number, offset: number, whence: number): number;
  /** truncate(2). Result: 0. */
  resize(disk: number, size: number): number;
  /** futimens(2): two of struct timespec. Result: 0. */
  setTimes(disk: number, times: Uint8Array): number;
  /** The caller of request `unique` was interrupted (the two halves of the number). */
  interrupt(uniqueLow: number, uniqueHigh: number): void;
}
