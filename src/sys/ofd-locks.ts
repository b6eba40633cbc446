import { declare } from './libc.js';

// Locks of open file descriptions, see fcntl(2). They end with the last descriptor of the description,
// not with the process, and two descriptions in one process exclude each other.
const F_OFD_GETLK = 36;
const F_OFD_SETLK = 37;
const F_RDLCK = 0;
const F_WRLCK = 1;
const F_UNLCK = 2;

// struct flock, 64-bit: type i16@0, whence i16@2, start i64@8, length i64@16, pid i32@24.
const FLOCK_TYPE = 0;
const FLOCK_START = 8;
const FLOCK_LENGTH = 16;
const FLOCK_BYTES = 32;

const fcntlFlock = declare<[number, number, DataView]>(
  'int fcntl(int fd, int command, void *flock)',
);

/** A struct flock. `length` 0: to the end of the file, also when it grows. */
function range(type: number, start: number, length: number): DataView {
  const flock = new DataView(new ArrayBuffer(FLOCK_BYTES));
  flock.setInt16(FLOCK_TYPE, type, true);
  flock.setBigInt64(FLOCK_START, BigInt(start), true);
  flock.setBigInt64(FLOCK_LENGTH, BigInt(length), true);
  return flock;
}

/** Takes a shared lock on one byte of a file, without waiting. Returns 0 or -errno. */
export function lockByteShared(fd: number, at: number): number {
  return fcntlFlock(fd, F_OFD_SETLK, range(F_RDLCK, at, 1));
}

/** Gives up all locks that an open file description has. */
export function unlockAll(fd: number): void {
  fcntlFlock(fd, F_OFD_SETLK, range(F_UNLCK, 0, 0));
}

/**
 * True if another open file description or another process holds a lock on bytes of a file.
 *
 * @param length 0: to the end
 * @param kind `exclusive` ignores shared locks
 */
export function isLocked(
  fd: number,
  start: number,
  length: number,
  kind: 'any' | 'exclusive' = 'any',
): boolean {
  const flock = range(kind === 'any' ? F_WRLCK : F_RDLCK, start, length);
  return fcntlFlock(fd, F_OFD_GETLK, flock) === 0 && flock.getInt16(FLOCK_TYPE, true) !== F_UNLCK;
}
