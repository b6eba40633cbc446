import { realpathSync, statSync } from 'node:fs';
import { type MountEntry, readMountTable, topMount } from '../sys/mount-table.js';
import { mountError, pointError } from './mount-errors.js';

/** File system type that the mount table shows for our mounts. */
export const FUSE_TYPE = 'fuse.sluice';

/**
 * Makes sure that `mountpoint` is a directory without a mount of ours on it.
 * Returns its path without symbolic links. Throws ENOENT, ENOTDIR, EBUSY, EACCES, ENOTCONN.
 */
export function checkMountpoint(mountpoint: string): string {
  const path = ask(mountpoint, () => realpathSync.native(mountpoint));
  // Before stat(2), which would ask the daemon of a mount that is there already, and wait for it.
  if (ourMount(path) !== null) {
    throw mountError(`${mountpoint}: sluice is mounted there; first: sluice umount`, 'EBUSY');
  }
  const found = ask(mountpoint, () => statSync(path));
  if (!found.isDirectory()) throw pointError(mountpoint, 'ENOTDIR');
  return path;
}

function ask<T>(mountpoint: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw pointError(mountpoint, (error as NodeJS.ErrnoException).code ?? 'EIO');
  }
}

/** The mount of ours that is on top at `path` (absolute, resolved), null if there is none. */
export function ourMount(path: string): MountEntry | null {
  const top = topMount(readMountTable(), path);
  return top?.type === FUSE_TYPE ? top : null;
}
