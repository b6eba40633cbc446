import { errnoName } from '../util/errno.js';
import { EXIT_MOUNT, SluiceError } from '../util/errors.js';

/** An error of mounting or unmounting. */
export function mountError(message: string, errno: string): SluiceError {
  return new SluiceError(message, errno, EXIT_MOUNT);
}

const LOAD_MODULE =
  'load the fuse module (modprobe fuse), or in a container pass --device /dev/fuse';

/** Said when the kernel forbids the mount itself. */
export const NOT_PERMITTED =
  'mounting is not permitted here; in a container pass --cap-add SYS_ADMIN --device /dev/fuse';

const DEVICE_SENTENCES: Readonly<Record<string, string>> = {
  ENOENT: `missing; ${LOAD_MODULE}`,
  ENODEV: `no driver; ${LOAD_MODULE}`,
  ENXIO: `no driver; ${LOAD_MODULE}`,
  EACCES: 'may not be opened; ask for read and write permission on it (chmod 666 /dev/fuse)',
  EPERM: 'may not be opened; in a container pass --device /dev/fuse',
};

/** Why /dev/fuse cannot be opened. `errno`: a name such as `ENOENT`. */
export function deviceError(errno: string): SluiceError {
  const what = DEVICE_SENTENCES[errno] ?? `cannot be opened: ${errno}`;
  return mountError(`/dev/fuse: ${what}`, errno);
}

const POINT_SENTENCES: Readonly<Record<string, string>> = {
  ENOENT: 'the mount point does not exist; make it with mkdir',
  ENOTDIR: 'the mount point is not a directory',
  EACCES: 'no permission to reach the mount point',
  ELOOP: 'too many symbolic links on the way to the mount point',
  ENAMETOOLONG: 'the path of the mount point is too long',
  ENOTCONN: 'a dead mount is in the way; remove it with sluice umount',
  EBUSY: 'the mount point is in use; choose another one',
  EPERM: NOT_PERMITTED,
  ENODEV: `the kernel has no FUSE; ${LOAD_MODULE}`,
  ENOSPC: 'too many mounts; raise the sysctl fs.mount-max',
};

/** Why something cannot be mounted at `mountpoint`. `errno`: a name such as `ENOENT`. */
export function pointError(mountpoint: string, errno: string): SluiceError {
  const what = POINT_SENTENCES[errno] ?? `cannot be mounted: ${errno}`;
  return mountError(`${mountpoint}: ${what}`, errno);
}

const UNMOUNT_SENTENCES: Readonly<Record<string, string>> = {
  EBUSY: 'in use; close the files in it (fuser -vm shows who has them open), or unmount lazily',
  EPERM: 'may be unmounted only by the user who mounted it, or by root',
};

/** Why `mountpoint` cannot be unmounted. `result`: -errno. */
export function unmountError(mountpoint: string, result: number): SluiceError {
  const errno = errnoName(result);
  const what = UNMOUNT_SENTENCES[errno] ?? `cannot be unmounted: ${errno}`;
  return mountError(`${mountpoint}: ${what}`, errno);
}
