import { closeSync, openSync, readSync } from 'node:fs';

/** Longer than what is read below; a cgroup path has at most 4096 bytes in each of a few lines. */
const BYTES = Buffer.allocUnsafe(64 << 10);

/** A file of /proc in one read, '' if it cannot be read. Costs 12 to 20 us. */
function readProc(path: string): string {
  try {
    const file = openSync(path, 'r');
    try {
      return BYTES.toString('latin1', 0, readSync(file, BYTES, 0, BYTES.length, 0));
    } finally {
      closeSync(file);
    }
  } catch {
    return ''; // It has ended.
  }
}

/** The process that a thread belongs to (`Tgid:`), workers of io_uring too; 0 if it is gone. */
export function processOf(thread: number): number {
  return Number(/^Tgid:\s*([0-9]+)$/m.exec(readProc(`/proc/${thread}/status`))?.[1] ?? 0);
}

/** Signals that by default do not end a process: CHLD, CONT, STOP, TSTP, TTIN, TTOU, URG, WINCH. */
const HARMLESS_SIGNALS = [17, 18, 19, 20, 21, 22, 23, 28].reduce((mask, n) => mask | bitOf(n), 0n);

/**
 * Whether a thread is being ended: by SIGKILL, or by a signal that it neither handles, ignores nor
 * blocks. (The kernel turns most of the latter into a pending SIGKILL; those that dump core stay what
 * they are.) A thread that is gone counts too.
 */
export function isBeingKilled(thread: number): boolean {
  const status = readProc(`/proc/${thread}/status`);
  if (status === '') return isGone(thread);
  if (/^State:\s*[ZX]/m.test(status)) return true;
  const mask = (name: string): bigint =>
    BigInt(`0x${new RegExp(`^${name}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1] ?? '0'}`);
  const pending = mask('SigPnd') | mask('ShdPnd');
  if ((pending & bitOf(9)) !== 0n) return true;
  // A debugger sees a signal first, and may take it away.
  if (/^TracerPid:\s*[1-9]/m.test(status)) return false;
  const survived = mask('SigBlk') | mask('SigIgn') | mask('SigCgt') | HARMLESS_SIGNALS;
  return (pending & ~survived) !== 0n;
}

/** /proc mounted with hidepid shows nothing of other users' processes, though they are there. */
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

/** When a process started, in clock ticks since boot; '' if it is gone. */
export function startOf(process: number): string {
  const text = readProc(`/proc/${process}/stat`);
  // The name in brackets may hold anything, brackets and spaces too; field 22 is the 20th behind it.
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

/** Paths of a thread's cgroups, in each hierarchy of v1 and in v2; none if it is gone. */
export function cgroupsOf(thread: number): string[] {
  const lines = readProc(`/proc/${thread}/cgroup`).split('\n');
  // hierarchy:controllers:path, and the path may contain colons.
  const paths = lines.flatMap((line) => /^[0-9]+:[^:]*:(\/.*)$/.exec(line)?.[1] ?? []);
  return [...new Set(paths.map((path) => Buffer.from(path, 'latin1').toString()))];
}
