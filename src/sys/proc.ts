import { closeSync, openSync, readdirSync, readSync } from 'node:fs';

/** Larger than the files read below: a cgroup path has at most 4096 bytes in each of a few lines. */
const BYTES = Buffer.allocUnsafe(64 << 10);

/** Reads a file of /proc in 12 to 20 us; '' if that fails. */
function readProc(path: string): string {
  try {
    const file = openSync(path, 'r');
    try {
      return BYTES.toString('latin1', 0, readSync(file, BYTES, 0, BYTES.length, 0));
    } finally {
      closeSync(file);
    }
  } catch {
    return ''; // The process has ended.
  }
}

/** The process of a thread, also of a worker of io_uring; 0 if the thread is gone. */
export function processOf(thread: number): number {
  return Number(/^Tgid:\s*([0-9]+)$/m.exec(readProc(`/proc/${thread}/status`))?.[1] ?? 0);
}

/** Signals whose default is not to end the process: CHLD, CONT, STOP, TSTP, TTIN, TTOU, URG, WINCH. */
const HARMLESS_SIGNALS = [17, 18, 19, 20, 21, 22, 23, 28].reduce((mask, n) => mask | bitOf(n), 0n);

/**
 * True if a thread is gone or about to end: by SIGKILL, or by a signal that it neither handles, ignores
 * nor blocks. (The kernel turns most such signals into a pending SIGKILL, but not those that dump core.)
 */
export function isBeingKilled(thread: number): boolean {
  const status = readProc(`/proc/${thread}/status`);
  if (status === '') return isGone(thread);
  if (/^State:\s*[ZX]/m.test(status)) return true;
  const mask = (name: string): bigint =>
    BigInt(`0x${new RegExp(`^${name}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1] ?? '0'}`);
  const pending = mask('SigPnd') | mask('ShdPnd');
  if ((pending & bitOf(9)) !== 0n) return true;
  // A debugger may suppress the signal.
  if (/^TracerPid:\s*[1-9]/m.test(status)) return false;
  const survived = mask('SigBlk') | mask('SigIgn') | mask('SigCgt') | HARMLESS_SIGNALS;
  return (pending & ~survived) !== 0n;
}

/** /proc mounted with hidepid hides processes of other users, so a missing file proves nothing. */
function isGone(thread: number): boolean {
  try {
    process.kill(thread, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

function bitOf(signal: number): bigint {
  return 1n << BigInt(signal - 1);
}

/** Do threads of this process, other than its first one, run or wait for a processor or a disk? */
export function hasBusyThreads(): boolean {
  const others = readdirSync('/proc/self/task')
    .map(Number)
    .filter((one) => one !== process.pid);
  return others.some((thread) => ['R', 'D'].includes(statOf(thread)[0]!));
}

/** Start time of a process in clock ticks since boot; '' if it is gone. */
export function startOf(process: number): string {
  return statOf(process)[19] ?? '';
}

/** A terminal has it in the foreground, so that the keys that send signals send them to it. */
export function isInForeground(process: number): boolean {
  const [, , group, , , foreground] = statOf(process);
  return group !== undefined && group === foreground;
}

/** Fields of /proc/PID/stat, also of a thread, from the third one, its state, on; [''] if it is gone. */
export function statOf(process: number): string[] {
  const text = readProc(`/proc/${process}/stat`);
  // The name in brackets may contain brackets and spaces.
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** Paths of the cgroups of a thread, in v2 and in each hierarchy of v1; none if it is gone. */
export function cgroupsOf(thread: number): string[] {
  const lines = readProc(`/proc/${thread}/cgroup`).split('\n');
  // A line is hierarchy:controllers:path; the path may contain colons.
  const paths = lines.flatMap((line) => /^[0-9]+:[^:]*:(\/.*)$/.exec(line)?.[1] ?? []);
  return [...new Set(paths.map((path) => Buffer.from(path, 'latin1').toString()))];
}
