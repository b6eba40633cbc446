import { ERRNO } from '../util/errno.js';
import type { SluiceError } from '../util/errors.js';
import {
  deviceError,
  mountError,
  NOT_PERMITTED,
  pointError,
  unmountError,
} from './mount-errors.js';

/** Messages of fusermount3 when it mounts, as far as a better sentence is known for them. */
const SENTENCES: readonly (readonly [message: RegExp, errno: string, what: string])[] = [
  [
    /only allowed if 'user_allow_other' is set/,
    'EPERM',
    'allow_other is off for users; put the line user_allow_other into /etc/fuse.conf',
  ],
  [/no write access to mountpoint/, 'EACCES', 'the mount point is not writable for you'],
  [/not owned by user/, 'EACCES', 'the mount point belongs to somebody else'],
  [
    /mounting over filesystem type \S+ is forbidden/,
    'EPERM',
    'fusermount3 forbids mounts on this file system; choose a directory on a disk or tmpfs',
  ],
  [
    /too many FUSE filesystems mounted/,
    'ENOSPC',
    'too many FUSE mounts; raise mount_max in /etc/fuse.conf',
  ],
  [/mount failed: Operation not permitted/, 'EPERM', NOT_PERMITTED],
];

/** Turns the messages of fusermount3 while mounting into one sentence. */
export function fusermountMountError(mountpoint: string, stderr: string): SluiceError {
  if (/fuse device not found|\/dev\/fuse: No such file/.test(stderr)) return deviceError('ENOENT');
  if (/\/dev\/fuse: Permission denied/.test(stderr)) return deviceError('EACCES');
  if (/\/dev\/fuse: Operation not permitted/.test(stderr)) return deviceError('EPERM');
  if (/mountpoint.*: Permission denied/.test(stderr)) return pointError(mountpoint, 'EACCES');
  for (const [message, errno, what] of SENTENCES) {
    if (message.test(stderr)) return mountError(`${mountpoint}: ${what}`, errno);
  }
  return mountError(`${mountpoint}: fusermount3 failed: ${lastLine(stderr)}`, 'EIO');
}

/** The same for unmounting. */
export function fusermountUnmountError(mountpoint: string, stderr: string): SluiceError {
  if (/Device or resource busy/.test(stderr)) return unmountError(mountpoint, -ERRNO.EBUSY);
  if (/Operation not permitted|entry for .* not found/.test(stderr)) {
    return unmountError(mountpoint, -ERRNO.EPERM);
  }
  return mountError(`${mountpoint}: fusermount3 -u failed: ${lastLine(stderr)}`, 'EIO');
}

function lastLine(stderr: string): string {
  const line = stderr.trim().split('\n').at(-1) ?? '';
  return line.replace(/^\S*fusermount3?: /, '') || 'it gave no reason';
}
