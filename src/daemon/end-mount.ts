import { ourMount } from '../fuse/mount-point.js';
import { EXIT_FAILED, EXIT_MOUNT, SluiceError } from '../util/errors.js';
import { EndWatch } from './end-record.js';
import { findDaemon, identifyDaemon, isRunning, type ProcessId, waitForEnd } from './processes.js';
import { type MountStatus, readStatus } from './status.js';
import { detachDeadMount, unmount } from './unmount.js';

/** How a mount was ended. */
export type Ended =
  /** Unmounted and flushed; the daemon is gone. */
  | 'done'
  /** There was no daemon any more. */
  | 'was-dead'
  /** Unmounted, but its daemon could not be found and so not be waited for. */
  | 'unwatched';

/** `--force` ends in-flight requests of the host's disk, which may be slow; then it is given up. */
const FORCE_LIMIT_MS = 30_000;

function daemonOf(mountpoint: string, status: MountStatus): ProcessId | null {
  if (status.kind === 'alive') return identifyDaemon(status.daemon.pid);
  return findDaemon(mountpoint);
}

function sendTerminate(mountpoint: string, daemon: ProcessId): void {
  try {
    // The number may be another process's by now; then ours is gone, as was asked for.
    if (isRunning(daemon)) process.kill(daemon.pid, 'SIGTERM');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ESRCH') return;
    throw new SluiceError(
      `${mountpoint}: only the user who mounted it, or root, may end it`,
      'EPERM',
      EXIT_MOUNT,
      error,
    );
  }
}

async function force(mountpoint: string, daemon: ProcessId): Promise<void> {
  sendTerminate(mountpoint, daemon);
  if (await waitForEnd(daemon, FORCE_LIMIT_MS)) {
    if ((await ourMount(mountpoint)) !== null) await detachDeadMount(mountpoint);
    return;
  }
  const { pid } = daemon;
  throw new SluiceError(
    `${mountpoint}: its daemon (pid ${pid}) does not end; end it with kill -9 ${pid} and try again`,
    'ETIMEDOUT',
    EXIT_FAILED,
  );
}

async function removeDead(mountpoint: string): Promise<Ended> {
  if (await detachDeadMount(mountpoint)) return 'was-dead';
  throw new SluiceError(
    `${mountpoint}: its daemon is gone, and only the user who mounted it, or root, may unmount it`,
    'EPERM',
    EXIT_MOUNT,
  );
}

/**
 * Ends a mount and waits until its daemon is gone, so that everything is flushed.
 *
 * @param mountpoint as in the mount table, a mount of sluice
 * @throws SluiceError EBUSY, EPERM, ETIMEDOUT; what the daemon ended with, where that is an error
 */
export async function endMount(mountpoint: string, byForce: boolean): Promise<Ended> {
  const status = await readStatus(mountpoint);
  if (status.kind === 'dead') return removeDead(mountpoint);
  const daemon = daemonOf(mountpoint, status);
  const path = status.kind === 'alive' ? status.daemon.fields.end : undefined;
  const watch = daemon === null ? null : EndWatch.open(path);
  try {
    const ended = await endAlive(mountpoint, status, daemon, byForce);
    if (ended === 'done') watch?.check(mountpoint);
    return ended;
  } finally {
    watch?.close();
  }
}

async function endAlive(
  mountpoint: string,
  status: MountStatus,
  daemon: ProcessId | null,
  byForce: boolean,
): Promise<Ended> {
  if (byForce && daemon !== null) {
    await force(mountpoint, daemon);
    return 'done';
  }
  if (status.kind === 'hung') {
    const hint = daemon === null ? 'find and end it' : 'use --force';
    const message = `${mountpoint}: its daemon does not answer; ${hint}`;
    throw new SluiceError(message, 'ETIMEDOUT', EXIT_FAILED);
  }
  await unmount(mountpoint);
  if (daemon === null) return 'unwatched';
  await waitForEnd(daemon, Number.POSITIVE_INFINITY);
  return 'done';
}
