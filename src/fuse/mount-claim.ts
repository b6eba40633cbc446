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
 * Locks the mount point until the mount is made: of two commands that mount there at once, one is
 * refused. Without the lock the second mount would cover the first, and a command that fails would
 * remove the mount of the other. Opening and repairing images takes time between check and mount.
 *
 * @throws SluiceError EBUSY if another command has it; EXIT_MOUNT
 */
export function claimMountpoint(mountpoint: string): MountClaim {
  const fd = open(mountpoint, constants.O_RDONLY | constants.O_DIRECTORY | O_CLOEXEC, 0);
  // A directory without read permission cannot be locked. Then only the check before mounting protects.
  if (fd === -ERRNO.EACCES) return { release: () => {} };
  if (fd < 0) throw pointError(mountpoint, errnoName(fd));
  if (flock(fd, LOCK_EXCLUSIVE_NOW) === -ERRNO.EAGAIN) {
    close(fd);
    const message = `${mountpoint}: busy: another sluice mount is being made there`;
    throw mountError(message, 'EBUSY');
  }
  return { release: () => void close(fd) };
}
