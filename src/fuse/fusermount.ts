import { constants } from 'node:fs';
import { F_SETFL } from '../sys/constants.js';
import { close, fcntl } from '../sys/libc.js';
import { type Finished, runProgram } from '../sys/run-program.js';
import { receiveFd, socketPair } from '../sys/unix-socket.js';
import { ERRNO } from '../util/errno.js';
import type { SluiceError } from '../util/errors.js';
import {
  deviceError,
  mountError,
  NOT_PERMITTED,
  pointError,
  unmountError,
} from './mount-errors.js';
import { fusermountOptions, type MountPlan } from './mount-options.js';

/** An unmount takes as long as the write-back of the file system. */
const LIMIT_MS = 0x7fffffff;

/** Tells fusermount3 its end of the socket: stdin, stdout and stderr come before it. */
const COMMUNICATION = { _FUSE_COMMFD: '3' };

/**
 * Mounts through the set-user-ID program fusermount3, which opens /dev/fuse, mounts and passes the
 * descriptor back over a socket. Returns the descriptor, O_NONBLOCK and closed on exec.
 * Throws a SluiceError: fusermount3 missing, or the reason that it gave.
 */
export async function mountByFusermount(plan: MountPlan): Promise<number> {
  const [ours, theirs] = socketPair();
  try {
    const args = ['-o', fusermountOptions(plan), '--', plan.mountpoint];
    // The message waits in the socket once the child is gone, so that receiving never blocks.
    const { code, stderr } = await runFusermount(args, theirs);
    const fd = receiveFd(ours);
    if (code !== 0 || fd < 0) {
      if (fd >= 0) close(fd);
      throw fusermountMountError(plan.mountpoint, stderr);
    }
    fcntl(fd, F_SETFL, constants.O_RDWR | constants.O_NONBLOCK);
    return fd;
  } finally {
    close(ours);
    close(theirs);
  }
}

/** Unmounts through fusermount3. Throws a SluiceError: EBUSY, EPERM, fusermount3 missing. */
export async function unmountByFusermount(mountpoint: string, lazy: boolean): Promise<void> {
  const args = lazy ? ['-u', '-z', '--', mountpoint] : ['-u', '--', mountpoint];
  const { code, stderr } = await runFusermount(args);
  if (code !== 0) throw fusermountUnmountError(mountpoint, stderr);
}

/** @param socket Where it sends the descriptor of a mount. */
async function runFusermount(args: string[], socket?: number): Promise<Finished> {
  const given = socket === undefined ? {} : { env: COMMUNICATION, descriptor: socket };
  try {
    return await runProgram('fusermount3', args, LIMIT_MS, given);
  } catch (error) {
    throw spawnError(error as NodeJS.ErrnoException);
  }
}

function spawnError(error: NodeJS.ErrnoException): Error {
  if (error.code === 'ENOENT') {
    return mountError('fusermount3 is not installed: apt-get install fuse3', 'ENOENT');
  }
  return mountError(`fusermount3 cannot be started: ${error.code}`, error.code ?? 'EIO');
}

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
