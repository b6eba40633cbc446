import { uptime } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { readText } from '../sys/files.js';
import { allPids, commandLine } from '../sys/processes.js';

/** USER_HZ: ticks a second of times in /proc, on every architecture that Node.js runs on. */
const TICKS_PER_S = 100;

/** A process, told apart from a later one of the same number by its start time. */
export interface ProcessId {
  pid: number;
  /** Clock ticks since boot; field 22 of /proc/PID/stat. */
  startTime: string;
}

/** State letter and start time from /proc/PID/stat. The name in it may contain anything. */
export function parseProcessStat(text: string): { state: string; startTime: string } {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', startTime: fields[19] ?? '' };
}

/** The process of this number, or null if there is none. */
export function identify(pid: number): ProcessId | null {
  const text = readText(`/proc/${pid}/stat`);
  return text === null ? null : { pid, startTime: parseProcessStat(text).startTime };
}

/** True until the process has ended. One that waits to be reaped (a zombie) has ended. */
export function isRunning(process: ProcessId): boolean {
  const text = readText(`/proc/${process.pid}/stat`);
  if (text === null) return false;
  const { state, startTime } = parseProcessStat(text);
  return startTime === process.startTime && state !== 'Z' && state !== 'X';
}

/** Seconds since it began. */
export function ageOf({ startTime }: ProcessId): number {
  return Math.max(0, uptime() - Number(startTime) / TICKS_PER_S);
}

/** There is no readiness to wait for without a pidfd: 5 ms costs nothing and is not noticed. */
const POLL_MS = 5;

/** Waits for the end of a process; false if it runs on after `limitMs`. */
export async function waitForEnd(process: ProcessId, limitMs: number): Promise<boolean> {
  const until = performance.now() + limitMs;
  while (isRunning(process)) {
    if (performance.now() >= until) return false;
    await sleep(POLL_MS);
  }
  return true;
}

/** Among the arguments of a keeper, before the mount point. */
export const KEEPER_NAME = 'sluice-keeper';

/** The keeper of a mount, and a copy of it that waits for a daemon which starts. */
export function findKeepers(mountpoint: string): ProcessId[] {
  return allPids().flatMap((pid) => {
    const words = commandLine(pid);
    const at = words?.indexOf(KEEPER_NAME) ?? -1;
    return at >= 0 && words?.[at + 1] === mountpoint ? (identify(pid) ?? []) : [];
  });
}

/** End of the path of the daemon's program, wherever sluice is installed. */
const DAEMON_PROGRAM = /\/(dist|src)\/server\/main\.js$/;

/** Words of a command line that tell a daemon of ours, in the background or in the foreground. */
const OURS = /(^|\/)(sluice|(dist|src)\/(daemon|server|cli)\/main\.js)$/;

/**
 * The daemon that a mount says it has, or null if that number is another program's: the daemon may
 * live in another pid namespace, and a stranger must be neither signalled nor waited for.
 */
export function identifyDaemon(pid: number): ProcessId | null {
  return commandLine(pid)?.some((word) => OURS.test(word)) ? identify(pid) : null;
}

/**
 * Looks for a background daemon by its command line: for mounts that cannot be asked, because they
 * hang or belong to another user.
 */
export function findDaemon(mountpoint: string): ProcessId | null {
  for (const pid of allPids()) {
    const words = commandLine(pid);
    if (words?.at(-1) === mountpoint && DAEMON_PROGRAM.test(words.at(-2) ?? '')) {
      return identify(pid);
    }
  }
  return null;
}

/** A daemon that is older has come to serve, or hangs. Seconds. */
const START_S = 3;

/** After a death a keeper starts a daemon for a mount, or has just done so. */
export function isStarting(mountpoint: string): boolean {
  if (findKeepers(mountpoint).length === 0) return false;
  const daemon = findDaemon(mountpoint);
  return daemon === null || ageOf(daemon) < START_S;
}
