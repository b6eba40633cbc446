import { closeSync } from 'node:fs';
import { readMountTable } from '../sys/mount-table.js';
import { EXIT_FAILED, EXIT_MOUNT, SluiceError } from '../util/errors.js';
import { checkEndRecord, openEndRecord, successorOf } from './end-record.js';
import { describeOtherMounts, deviceAt, type OtherMount, otherMounts } from './other-mounts.js';
import {
  findDaemon,
  findKeepers,
  identifyDaemon,
  isRunning,
  isStarting,
  type ProcessId,
  waitForEnd,
} from './processes.js';
import { detachIfDead, type MountStatus, readStatus } from './status.js';
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

function send(signal: NodeJS.Signals, mountpoint: string, daemon: ProcessId): void {
  try {
    // The number may be another process's by now; then ours is gone, as was asked for.
    if (isRunning(daemon)) process.kill(daemon.pid, signal);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ESRCH') return;
    const message = `${mountpoint}: only the user who mounted it, or root, may end it`;
    throw new SluiceError(message, 'EPERM', EXIT_MOUNT, error);
  }
}

async function kill(mountpoint: string, keeper: ProcessId): Promise<void> {
  send('SIGKILL', mountpoint, keeper);
  await waitForEnd(keeper, FORCE_LIMIT_MS);
}

/** @param name The user's name for it: its mount point or its pid. */
async function force(daemon: ProcessId, name: string): Promise<void> {
  send('SIGTERM', name, daemon);
  if (await waitForEnd(daemon, FORCE_LIMIT_MS)) {
    if (name.startsWith('/')) await detachIfDead(name);
    return;
  }
  const { pid } = daemon;
  const message = `${name}: its daemon (pid ${pid}) does not end; end it with kill -9 ${pid} and try again`;
  throw new SluiceError(message, 'ETIMEDOUT', EXIT_FAILED);
}

async function removeDead(mountpoint: string): Promise<Ended> {
  const device = deviceAt(mountpoint);
  // Somebody else may have removed it meanwhile.
  const isGone = await detachDeadMount(mountpoint);
  if (isGone || deviceAt(mountpoint) !== device) return 'was-dead';
  const message = `${mountpoint}: its daemon is gone, and only the user who mounted it, or root, may unmount it`;
  throw new SluiceError(message, 'EPERM', EXIT_MOUNT);
}

/**
 * Ends a mount and waits until its daemon is gone, so that everything is flushed. The working directory of the caller
 * keeps the mount busy, as that of any other process does.
 *
 * @param mountpoint as in the mount table, a mount of sluice
 * @throws SluiceError EBUSY, EPERM, ETIMEDOUT; the error that the daemon has recorded
 */
export async function endMount(mountpoint: string, byForce: boolean): Promise<Ended> {
  const status = await readStatus(mountpoint);
  if (status.kind === 'dead') return removeDead(mountpoint);
  const daemon = daemonOf(mountpoint, status);
  const path = status.kind === 'alive' ? status.daemon.fields.end : undefined;
  const record = daemon === null ? null : openEndRecord(path);
  try {
    const ended = await endAlive(mountpoint, status, daemon, byForce);
    if (ended === 'done' && record !== null) {
      await endSuccessors(mountpoint, record, byForce);
      checkEndRecord(record, mountpoint);
    }
    return ended;
  } finally {
    if (record !== null) closeSync(record);
  }
}

/** The daemon may have handed the mount over at the same moment, and the next one in its turn. */
async function endSuccessors(mountpoint: string, record: number, byForce: boolean): Promise<void> {
  for (;;) {
    const pid = successorOf(record);
    const daemon = pid === null ? null : identifyDaemon(pid);
    if (daemon === null) return;
    if (byForce) await force(daemon, mountpoint);
    else await waitForEnd(daemon, Infinity);
  }
}

async function endAlive(
  mountpoint: string,
  status: MountStatus,
  daemon: ProcessId | null,
  byForce: boolean,
): Promise<Ended> {
  const keepers = status.kind === 'hung' ? findKeepers(mountpoint) : [];
  // Otherwise another daemon may come in the place of one that dies of the signal.
  if (byForce) for (const keeper of keepers) await kill(mountpoint, keeper);
  if (byForce && daemon !== null) {
    await force(daemon, mountpoint);
    return 'done';
  }
  if (byForce && keepers.length > 0) {
    await detachIfDead(mountpoint);
    return 'was-dead';
  }
  if (status.kind === 'hung' && isStarting(mountpoint)) {
    const what = 'a daemon is being started for it again, after a death; try again, or use --force';
    throw new SluiceError(`${mountpoint}: ${what}`, 'ETIMEDOUT', EXIT_FAILED);
  }
  if (status.kind === 'hung') {
    const hint = daemon === null ? 'find and end it' : 'use --force';
    const message = `${mountpoint}: its daemon does not answer; ${hint}`;
    throw new SluiceError(message, 'ETIMEDOUT', EXIT_FAILED);
  }
  const device = deviceAt(mountpoint);
  if (device === null) {
    // Somebody else has unmounted it since it was found.
    const message = `${mountpoint}: sluice is not mounted there`;
    throw new SluiceError(message, 'EINVAL', EXIT_MOUNT);
  }
  // Asked before anything is taken away. Copies in other namespaces may go with it, or not.
  const others = otherMounts(device, mountpoint);
  const here = others.filter(({ pid }) => pid === null);
  if (here.length > 0) {
    const message = `${mountpoint}: ${describeOtherMounts(here)}; unmount that first, or use --force`;
    throw new SluiceError(message, 'EBUSY', EXIT_FAILED);
  }
  const inside = readMountTable().find(({ mountpoint: at }) => at.startsWith(`${mountpoint}/`));
  if (inside !== undefined) {
    const what = `a ${inside.type} is mounted in it at ${inside.mountpoint}`;
    const message = `${mountpoint}: ${what}; unmount that first, or use --force`;
    throw new SluiceError(message, 'EBUSY', EXIT_FAILED);
  }
  try {
    await unmount(mountpoint);
  } catch (error) {
    // Somebody else may have unmounted it meanwhile. The daemon is waited for all the same.
    if (deviceAt(mountpoint) === device) throw error;
  }
  if (daemon === null) return 'unwatched';
  await waitFlushed(mountpoint, device, daemon, others);
  return 'done';
}

/** How often a daemon that has not ended is asked for the reason, milliseconds. */
const LOOK_EVERY_MS = 2000;

/**
 * Waits until the daemon has flushed and ended, however long its disk takes: unless the mount is still to
 * be seen somewhere, so that the daemon has no reason to end.
 *
 * @param before Other places at which the mount was seen. A place that is not among them belongs to another
 *   mount: the kernel reuses a device number as soon as it is free.
 */
async function waitFlushed(
  mountpoint: string,
  device: string,
  daemon: ProcessId,
  before: readonly OtherMount[],
): Promise<void> {
  while (!(await waitForEnd(daemon, LOOK_EVERY_MS))) {
    const others = otherMounts(device, mountpoint).filter(({ path, namespace }) => {
      return before.some((one) => one.path === path && one.namespace === namespace);
    });
    if (others.length === 0) continue;
    const how = `sluice umount --force ${daemon.pid} ends it`;
    const message = `${mountpoint}: unmounted here, but ${describeOtherMounts(others)}, so its daemon goes on; ${how}`;
    throw new SluiceError(message, 'EBUSY', EXIT_FAILED);
  }
}

/**
 * Ends a daemon that has no mount point any more, with its connection: what is still mounted of it in
 * other places is dead then.
 *
 * @throws SluiceError ESRCH if `pid` is no daemon of ours; EPERM, ETIMEDOUT; the error that it has
 *   recorded
 */
export async function endDaemon(pid: number): Promise<void> {
  const daemon = identifyDaemon(pid);
  if (daemon === null) {
    const message = `${pid}: no process of this number is a sluice daemon`;
    throw new SluiceError(message, 'ESRCH', EXIT_MOUNT);
  }
  await force(daemon, String(pid));
}
