/**
 * The operations that a transport asks for. Each takes its arguments from the columns of its request
 * (requests.ts), and `disk` besides; its result is a number from 0, or -errno.
 */

/** No operation of the plane: the transport answers the request itself. */
export const OWN = 0;
/** offset, length. Result: bytes read. */
export const READ = 1;
/** offset, length, mode 1 if it comes from the page cache, payload in the slot. Result: bytes written. */
export const WRITE = 2;
/** fallocate(2): offset, length, mode. Result: 0. */
export const ALLOCATE = 3;
/** fsync(2), or fdatasync(2) if mode is 1: handle. Result: 0. */
export const FLUSH = 4;
/** lseek(2) with SEEK_DATA or SEEK_HOLE: offset, whence in mode. Result: the offset found. */
export const SEEK = 5;
/** truncate(2): the new size in length. Result: 0. */
export const RESIZE = 6;
/** futimens(2): two of struct timespec at `timesOffset`. Result: 0. */
export const SET_TIMES = 7;
/** mode: the bits below. Sets handle. Result: 1 if LOOK was asked for and cached pages are right, else 0. */
export const OPEN = 8;
/** Brings the status of a disk up to date with the host. Result: 0. */
export const REFRESH = 9;
/** The same for all disks; without `disk`. */
export const REFRESH_ALL = 10;
/** handle: it is closed for good. Result: 0. */
export const CLOSE = 11;

// Mode bits of OPEN.
export const FOR_WRITING = 1;
export const TRUNCATE = 2;
/** Find out whether the pages that the kernel has cached of the disk are still right. */
export const LOOK = 4;

/** Names for the log, by operation. */
export const OPERATION_NAMES: readonly string[] = [
  'OWN',
  'READ',
  'WRITE',
  'FALLOCATE',
  'FSYNC',
  'LSEEK',
  'TRUNCATE',
  'UTIMENS',
  'OPEN',
  'GETATTR',
  'STATFS',
  'RELEASE',
];

/** Whether an operation is about a range of a disk, from offset. */
export function hasRange(operation: number): boolean {
  return operation >= READ && operation <= ALLOCATE;
}
