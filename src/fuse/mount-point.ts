import { existsSync, realpathSync, statSync } from 'node:fs';
import { findProgram } from '../sys/files.js';
import { type MountEntry, readMountTable, topMount } from '../sys/mount-table.js';
import { SluiceError } from '../util/errors.js';
import { mountError, pointError } from './mount-errors.js';

/** File system type that the mount table shows for our mounts. */
export const FUSE_TYPE = 'fuse.sluice';

/**
 * Makes sure that `mountpoint` (absolute) is a directory without a mount on it.
 * Returns its path without symbolic links. Throws EBUSY, ENOENT, ENOTDIR, EACCES, ENOTCONN.
 */
export function checkMountpoint(mountpoint: string): string {
  // Before the path is looked at: stat(2) of a mount whose daemon hangs does not return.
  refuseMounted(mountpoint);
  try {
    const path = realpathSync.native(mountpoint);
    refuseBytes(path);
    refuseMounted(path);
    if (statSync(path).isDirectory()) return path;
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    throw pointError(mountpoint, (error as NodeJS.ErrnoException).code ?? 'EIO');
  }
  throw pointError(mountpoint, 'ENOTDIR');
}

/** Node.js has replaced bytes that are no UTF-8, so the path leads nowhere. */
function refuseBytes(path: string): void {
  if (!path.includes('\uFFFD') || existsSync(path)) return;
  const what = 'the path of the mount point is not valid UTF-8; choose another directory';
  throw mountError(`${path}: ${what}`, 'EILSEQ');
}

function refuseMounted(path: string): void {
  const mount = topMount(readMountTable(), path);
  if (mount === null) return;
  const what =
    mount.type === FUSE_TYPE
      ? `sluice is mounted there; first: sluice umount ${path}`
      : `it is a mount point already (${mount.type}); choose another directory`;
  throw mountError(`${path}: busy: ${what}`, 'EBUSY');
}

/**
 * Checks that a user can mount: root needs nothing, other users need fusermount3.
 *
 * @param path $PATH.
 * @throws SluiceError ENOENT, exit code 4
 */
export function checkMountRights(uid: number, path: string | undefined): void {
  if (uid === 0 || findProgram('fusermount3', path) !== null) return;
  const what = 'fusermount3 is missing, and only root can mount without it; install fuse3';
  throw mountError(what, 'ENOENT');
}

/** The mount of ours that is on top at `path` (absolute, resolved), null if there is none. */
export function ourMount(path: string): MountEntry | null {
  const top = topMount(readMountTable(), path);
  return top?.type === FUSE_TYPE ? top : null;
}
