import { isByteLocked, lockByteShared } from '../sys/ofd-locks.js';
import { EXIT_IMAGE, SluiceError } from '../util/errors.js';
import type { FileSource } from './source.js';

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
/** What others may not do to an image that we read or write. */
const FORBIDDEN = [WRITE, RESIZE] as const;

/**
 * Locks an image as QEMU does, so that it refuses what we hold, and we what it holds. The lock lasts as
 * long as the source's descriptor. Where the file system has no locks there is none.
 *
 * @param whoHolds Says who is likely to hold the file: `qemu-system-x86_64 (pid 4242)`, or null.
 * @throws SluiceError EAGAIN, exit code 3
 */
export function lockImage(
  source: FileSource,
  forWriting: boolean,
  whoHolds: (source: FileSource) => string | null,
): void {
  const { descriptor, path } = source;
  const used = forWriting ? TO_WRITE : TO_READ;
  const bytes = [...used.map((bit) => USED + bit), ...FORBIDDEN.map((bit) => UNSHARED + bit)];
  for (const byte of bytes) {
    const result = lockByteShared(descriptor, byte);
    // Only an exclusive lock is in the way, and QEMU takes none; anything else: no locks here.
    if (result < 0) return;
  }
  const writtenElsewhere = FORBIDDEN.some((bit) => isByteLocked(descriptor, USED + bit));
  const refusedElsewhere = used.some((bit) => isByteLocked(descriptor, UNSHARED + bit));
  if (!writtenElsewhere && !refusedElsewhere) return;
  const holder = whoHolds(source);
  const who = holder === null ? 'another program' : holder;
  const what = writtenElsewhere
    ? `in use for writing by ${who}`
    : `in use by ${who}, which lets nobody write it; use --read-only`;
  throw new SluiceError(`${path}: ${what}`, 'EAGAIN', EXIT_IMAGE);
}
