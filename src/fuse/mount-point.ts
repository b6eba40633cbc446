import { realpath, stat } from 'node:fs/promises';
import { type MountEntry, readMountTable, topMount } from '../sys/mount-table.js';
import { mountError, pointError } from './mount-errors.js';

/** File system type that the mount table shows for our mounts. */
export const FUSE_TYPE = 'fuse.sluice';

/**
 * Makes sure that `mountpoint` is a directory without a mount of ours on it.
 * Returns its path without symbolic links. Throws ENOENT, ENOTDIR, EBUSY, EACCES, ENOTCONN.
 */
export async function checkMountpoint(mountpoint: string): Promise<string> {
  const path = await realpath(mountpoint).catch((error) => {
    throw pointError(mountpoint, error.code);
  });
  // Before stat(2), which would ask the daemon of a mount that is there already, and wait for it.
  if ((await ourMount(path)) !== null) {
    throw mountError(`${mountpoint}: sluice is mounted there; first: sluice umount`, 'EBUSY');
  }
  const found = await stat(path).catch((error) => {
    throw pointError(mountpoint, error.code);
  });
  if (!found.isDirectory()) throw pointError(mountpoint, 'ENOTDIR');
  return path;
}

/** The mount of ours that is on top at `path` (absolute, resolved), null if there is none. */
export async function ourMount(path: string): Promise<MountEntry | null> {
  const top = topMount(await readMountTable(), path);
  return top?.type === FUSE_TYPE ? top : null;
}
