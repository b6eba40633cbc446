import { constants } from 'node:fs';
import { O_CLOEXEC } from '../sys/constants.js';
import { close, flock, open } from '../sys/libc.js';
import { ERRNO, errnoName } from '../util/errno.js';
import { mountError, pointError } from './mount-errors.js';

const LOCK_EXCLUSIVE_NOW = 2 | 4;

/** The right to mount on a directory. */
export interface MountClaim {
  release(): void;
}

/**
 * Takes a lock on the directory that is about to be mounted on, until the mount is there: of two
 * commands that mount on it at once, one is refused. Without it the second lies over the first, and
 * whoever fails takes the other one's mount away. The window is as long as an image takes to open or to
 * repair.
 *
 * @throws SluiceError EBUSY if another command has it; EXIT_MOUNT
 */
export function claimMountpoint(mountpoint: string): MountClaim {
  const fd = open(mountpoint, constants.O_RDONLY | constants.O_DIRECTORY | O_CLOEXEC, 0);
  // A directory that may be entered but not read cannot be locked: the check before mounting is left.
  if (fd === -ERRNO.EACCES) return { release: () => {} };
  if (fd < 0) throw pointError(mountpoint, errnoName(fd));
  if (flock(fd, LOCK_EXCLUSIVE_NOW) === -ERRNO.EAGAIN) {
    close(fd);
    const message = `${mountpoint}: busy: another sluice mount is being made there`;
    throw mountError(message, 'EBUSY');
  }
  return { release: () => void close(fd) };
}
