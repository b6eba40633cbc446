import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { F_SETFL } from '../sys/constants.js';
import { close, fcntl } from '../sys/libc.js';
import { receiveFd, socketPair } from '../sys/unix-socket.js';
import { fusermountMountError, fusermountUnmountError } from './fusermount-errors.js';
import { mountError } from './mount-errors.js';
import { fusermountOptions, type MountPlan } from './mount-options.js';

/** Far above the longest message of fusermount3. */
const STDERR_LIMIT = 4096;

/** Where the child finds its end of the socket: stdin, stdout and stderr come before it. */
const CHILD_FD = 3;

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
    const { failed, stderr } = await runFusermount(args, theirs);
    const fd = receiveFd(ours);
    if (failed || fd < 0) {
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
  const { failed, stderr } = await runFusermount(args, 'ignore');
  if (failed) throw fusermountUnmountError(mountpoint, stderr);
}

interface Outcome {
  /** It ended by a signal or with a status other than 0. */
  failed: boolean;
  stderr: string;
}

function runFusermount(args: string[], socket: number | 'ignore'): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    // Its messages are matched below, so they must not be translated.
    const env = { ...process.env, LC_ALL: 'C', _FUSE_COMMFD: String(CHILD_FD) };
    const stdio = ['ignore', 'ignore', 'pipe', socket] as const;
    const child = spawn('fusermount3', args, { env, cwd: '/', stdio: [...stdio] });
    let stderr = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      if (stderr.length < STDERR_LIMIT) stderr += text;
    });
    child.once('error', (error: NodeJS.ErrnoException) => reject(spawnError(error)));
    child.once('close', (status) => resolve({ failed: status !== 0, stderr }));
  });
}

function spawnError(error: NodeJS.ErrnoException): Error {
  if (error.code === 'ENOENT') {
    return mountError('fusermount3 is not installed: apt-get install fuse3', 'ENOENT');
  }
  return mountError(`fusermount3 cannot be started: ${error.code}`, error.code ?? 'EIO');
}
