import { isLocked, lockByteShared } from '../sys/ofd-locks.js';
import { ERRNO, errnoName } from '../util/errno.js';
import { EXIT_FAILED, EXIT_IMAGE, SluiceError } from '../util/errors.js';
import { describeHolder } from './file-holders.js';
import type { OpenFile } from './open-file.js';

// QEMU's image locking (block/file-posix.c). A shared lock on byte 100 + n says "I use permission n",
// one on byte 200 + n "nobody else may use it". After taking its own, everybody looks for those of
// others that contradict.
const USED = 100;
const UNSHARED = 200;

// Permissions, bit numbers of BLK_PERM_*.
const CONSISTENT_READ = 0;
const WRITE = 1;
const RESIZE = 3;

const TO_READ = [CONSISTENT_READ] as const;
const TO_WRITE = [CONSISTENT_READ, WRITE, RESIZE] as const;
/** Others may do neither to an image that we read or write. */
const FORBIDDEN = [WRITE, RESIZE] as const;

/** QEMU's bytes end before this: 64 permissions from each of the two places. */
const QEMU_END = 264;
const TO_END = 0;

/** Errors of fcntl(2) on a file system without locks. */
const NO_LOCKS: ReadonlySet<number> = new Set([
  ERRNO.EOPNOTSUPP,
  ERRNO.ENOLCK,
  ERRNO.ENOSYS,
  ERRNO.EINVAL,
]);

/**
 * The writes that a killed process has under way end after the process, and its locks last until then.
 * On a disk that answers this takes less time.
 */
const ORPHAN_LIMIT_MS = 5000;
const ORPHAN_LOOK_MS = 20;

/**
 * Locks a file as QEMU locks images: each of the two refuses a file that the other one holds. The lock
 * lasts as long as the file's descriptor. A file system without locks allows everything. Other programs'
 * fcntl locks count too, anywhere in the file: an exclusive one forbids reading, a shared one writing.
 * Waits, at most 5 s, for locks that no process has any more.
 *
 * @throws SluiceError EAGAIN, exit code 3, naming the likely holder of the file
 */
export function lockFile(file: OpenFile, forWriting: boolean): void {
  const until = performance.now() + ORPHAN_LIMIT_MS;
  for (;;) {
    const taken = takeLocks(file.descriptor, file.path, forWriting);
    if (taken === 'impossible') return;
    const hindrance = taken === 'hindered' ? LOCKED : conflict(file.descriptor, forWriting);
    if (hindrance === null) return;
    const who = describeHolder(file);
    if (who !== null || performance.now() >= until) {
      const message = `${file.path}: ${hindrance.replace('WHO', who ?? UNSEEN)}`;
      throw new SluiceError(message, 'EAGAIN', EXIT_IMAGE);
    }
    sleepNow(ORPHAN_LOOK_MS);
  }
}

/**
 * Takes the locks of a file that is locked already through one more descriptor of it. A request that is
 * under way keeps the descriptor that it uses, and so these locks, though the process is dead.
 *
 * @throws SluiceError exit code 1
 */
export function lockAlso(descriptor: number, path: string, forWriting: boolean): void {
  takeLocks(descriptor, path, forWriting);
}

/** Does somebody else hold a file for writing, as those who lock images do? */
export function isHeldForWriting(descriptor: number): boolean {
  return FORBIDDEN.some((bit) => isLocked(descriptor, USED + bit, 1));
}

/** `hindered`: another program has an exclusive lock. `impossible`: this file system has no locks. */
function takeLocks(
  descriptor: number,
  path: string,
  forWriting: boolean,
): 'taken' | 'hindered' | 'impossible' {
  const used = permissions(forWriting);
  const bytes = [...used.map((bit) => USED + bit), ...FORBIDDEN.map((bit) => UNSHARED + bit)];
  let isHindered = false;
  for (const byte of bytes) {
    const errno = -lockByteShared(descriptor, byte);
    if (NO_LOCKS.has(errno)) return 'impossible';
    // QEMU's locks are all shared: another program's is in the way.
    if (errno === ERRNO.EAGAIN || errno === ERRNO.EACCES) isHindered = true;
    else if (errno > 0) {
      const name = errnoName(errno);
      throw new SluiceError(`${path}: cannot be locked: ${name}`, name, EXIT_FAILED);
    }
  }
  return isHindered ? 'hindered' : 'taken';
}

function permissions(forWriting: boolean): readonly number[] {
  return forWriting ? TO_WRITE : TO_READ;
}

/** Stops this thread: images are opened before there is anything else to do. */
function sleepNow(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** The kernel keeps the lock of a file that it passes through, for a program that has only the mounted file open. */
const UNSEEN = 'a program that cannot be seen, perhaps through a mount that has ended';

const LOCKED = 'locked by WHO; end that, or wait for it';

/** Which lock of others contradicts; null if none does. */
function conflict(descriptor: number, forWriting: boolean): string | null {
  if (isLocked(descriptor, 0, TO_END, 'exclusive')) return LOCKED;
  if (isHeldForWriting(descriptor)) {
    return 'in use for writing by WHO';
  }
  const refused = permissions(forWriting).some((bit) => isLocked(descriptor, UNSHARED + bit, 1));
  const isRead = (): boolean =>
    isLocked(descriptor, 0, USED) || isLocked(descriptor, QEMU_END, TO_END);
  if (!refused && !(forWriting && isRead())) return null;
  return 'in use by WHO, which lets nobody write it; use --read-only';
}
