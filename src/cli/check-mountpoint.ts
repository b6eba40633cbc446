import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { FUSE_TYPE } from '../fuse/mount-point.js';
import { readMountTable, topMount } from '../sys/mount-table.js';
import { EXIT_MOUNT, SluiceError } from '../util/errors.js';

const SENTENCES: Readonly<Record<string, string>> = {
  ENOENT: 'the mount point does not exist; make it with mkdir',
  ENOTDIR: 'the mount point is not a directory',
  EACCES: 'no permission to reach the mount point',
  ENOTCONN: 'a dead mount is in the way; remove it with sluice umount',
};

function refuse(path: string, errno: string, what?: string): SluiceError {
  return new SluiceError(`${path}: ${what ?? SENTENCES[errno] ?? errno}`, errno, EXIT_MOUNT);
}

function refuseMounted(path: string): void {
  const mount = topMount(readMountTable(), path);
  if (mount === null) return;
  const what =
    mount.type === FUSE_TYPE
      ? `busy: sluice is mounted there; first: sluice umount ${path}`
      : `busy: it is a mount point already (${mount.type}); choose another directory`;
  throw refuse(path, 'EBUSY', what);
}

/**
 * Checks the mount point and returns it without symbolic links. Reads the mount table first: stat(2) of
 * a mount whose daemon hangs does not return.
 *
 * @param path absolute
 * @throws SluiceError EBUSY, ENOENT, ENOTDIR, EACCES, ENOTCONN; exit code 4
 */
export function checkMountpoint(path: string): string {
  refuseMounted(path);
  try {
    const resolved = realpathSync.native(path);
    refuseMounted(resolved);
    if (statSync(resolved).isDirectory()) return resolved;
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    throw refuse(path, (error as NodeJS.ErrnoException).code ?? 'EIO');
  }
  throw refuse(path, 'ENOTDIR');
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The user, and the folders of programs. */
export interface MountRights {
  uid: number;
  /** $PATH. */
  path: string;
}

/**
 * Checks that the user can mount: root needs nothing, other users need fusermount3.
 *
 * @throws SluiceError ENOENT, exit code 4
 */
export function checkMountRights(rights: MountRights): void {
  if (rights.uid === 0) return;
  for (const directory of rights.path.split(delimiter)) {
    if (directory !== '' && isExecutable(join(directory, 'fusermount3'))) return;
  }
  throw new SluiceError(
    'fusermount3 is missing, and only root can mount without it; install fuse3',
    'ENOENT',
    EXIT_MOUNT,
  );
}
