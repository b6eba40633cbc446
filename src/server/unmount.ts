import { setTimeout as sleep } from 'node:timers/promises';
import { commandLine } from '../sys/processes.js';
import { type Finished, runProgram } from '../sys/run-program.js';
import { EXIT_FAILED, EXIT_MOUNT, SluiceError } from '../util/errors.js';
import { describeHolders, findHolders } from './holders.js';

/** umount(2) itself is quick; it waits only for a daemon that hangs. */
const UMOUNT_LIMIT_MS = 10_000;
/** How long those are waited for that look at the mount or are ending, and how often. */
const PASSING_MS = 10_000;
const PASSING_LOOK_MS = 20;
/** Who is there for the kernel and cannot be found is gone by now, or a process of another user. */
const UNSEEN_MS = 500;

/**
 * The program that unmounts. Root: umount(8), told not to look at the path (`-c`), which could
 * hang, nor to call another program (`-i`). Otherwise the setuid program of fuse3.
 */
function umountCommand(mountpoint: string, lazy: boolean): [string, string[]] {
  if (process.getuid?.() === 0) {
    return ['umount', ['-i', '-c', ...(lazy ? ['-l'] : []), '--', mountpoint]];
  }
  return ['fusermount3', ['-u', ...(lazy ? ['-z'] : []), '--', mountpoint]];
}

async function run(mountpoint: string, lazy: boolean): Promise<Finished> {
  const [program, args] = umountCommand(mountpoint, lazy);
  try {
    return await runProgram(program, args, UMOUNT_LIMIT_MS);
  } catch (error) {
    const fix = program === 'fusermount3' ? 'install fuse3' : 'install util-linux';
    throw new SluiceError(`${program} is missing; ${fix}`, 'ENOENT', EXIT_MOUNT, error);
  }
}

function lastLine({ stderr }: Finished): string {
  return stderr.trim().split('\n').at(-1) ?? '';
}

function isBusy(ran: Finished): boolean {
  return ran.code !== 0 && !ran.timedOut && /busy/i.test(lastLine(ran));
}

/**
 * Does a process only look at mounts, as sluice list does at all of them, or is it ending? The kernel takes the memory of
 * a process, and with it its command line, before it closes the files.
 *
 * @param words Its command line; null: it is gone.
 */
export function isPassing(words: readonly string[] | null): boolean {
  if (words === null || words.length === 0) return true;
  return words.some((word) => word.endsWith('/control-reader.js'));
}

/** Who holds a mount: somebody who stays, only those who are soon gone, or nobody who can be seen. */
function whoHolds(mountpoint: string): 'staying' | 'passing' | 'unseen' {
  const { processes, devices } = findHolders(mountpoint);
  const isStaying = !processes.every(({ pid }) => isPassing(commandLine(pid)));
  if (devices.length > 0 || isStaying) return 'staying';
  return processes.length === 0 ? 'unseen' : 'passing';
}

function busyError(mountpoint: string): SluiceError {
  const who = describeHolders(findHolders(mountpoint));
  const by = who === '' ? 'in use' : `in use by ${who}`;
  return new SluiceError(`${mountpoint}: ${by}; close it or use --force`, 'EBUSY', EXIT_FAILED);
}

/**
 * Unmounts, without waiting for the daemon.
 *
 * @throws SluiceError EBUSY (names the processes that hold it), ETIMEDOUT, EPERM
 */
export async function unmount(mountpoint: string): Promise<void> {
  const started = performance.now();
  let unseenSince: number | null = null;
  let ran = await run(mountpoint, false);
  while (isBusy(ran)) {
    const now = performance.now();
    const who = whoHolds(mountpoint);
    unseenSince = who === 'unseen' ? (unseenSince ?? now) : null;
    const isHidden = unseenSince !== null && now - unseenSince > UNSEEN_MS;
    if (who === 'staying' || isHidden || now - started > PASSING_MS) break;
    await sleep(PASSING_LOOK_MS);
    ran = await run(mountpoint, false);
  }
  if (ran.timedOut) {
    const message = `${mountpoint}: the daemon does not answer; use --force`;
    throw new SluiceError(message, 'ETIMEDOUT', EXIT_FAILED);
  }
  if (ran.code === 0) return;
  if (isBusy(ran)) throw busyError(mountpoint);
  const text = lastLine(ran);
  if (/not found in|must be superuser|not permitted/i.test(text)) {
    const message = `${mountpoint}: only the user who mounted it, or root, may unmount it`;
    throw new SluiceError(message, 'EPERM', EXIT_MOUNT);
  }
  throw new SluiceError(`${mountpoint}: ${text}`, 'EIO', EXIT_FAILED);
}

/** Removes a mount whose daemon is gone. True if that worked. */
export async function detachDeadMount(mountpoint: string): Promise<boolean> {
  const ran = await run(mountpoint, true);
  return ran.code === 0;
}
