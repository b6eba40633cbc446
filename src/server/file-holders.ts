import { readdirSync, readFileSync } from 'node:fs';
import type { FileSource } from '../image/source.js';
import { allPids, commandLine } from '../sys/processes.js';

/**
 * Who is likely to hold a lock on a file: a process that has it open, best one whose descriptor has a
 * lock. /proc/locks does not name the process of such a lock, so descriptors are looked at. Null if
 * nobody is seen; other users' processes are seen by root alone.
 */
export function describeHolder(source: FileSource): string | null {
  let open: number | null = null;
  for (const pid of allPids()) {
    for (const fd of descriptorsOf(pid, source)) {
      const isOurs = pid === process.pid && fd === source.descriptor;
      if (isOurs) continue;
      if (hasLock(pid, fd)) return describe(pid);
      open ??= pid;
    }
  }
  return open === null ? null : describe(open);
}

function descriptorsOf(pid: number, source: FileSource): number[] {
  try {
    const names = readdirSync(`/proc/${pid}/fd`);
    return names.map(Number).filter((fd) => source.isAt(`/proc/${pid}/fd/${fd}`));
  } catch {
    return []; // It is gone, or another user's.
  }
}

function hasLock(pid: number, fd: number): boolean {
  try {
    return /^lock:/m.test(readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8'));
  } catch {
    return false;
  }
}

function describe(pid: number): string {
  const words = commandLine(pid) ?? [];
  const isSluice = words.some((word) => /\/src\/(daemon|server|cli)\/main\.js$/.test(word));
  const name = isSluice ? 'sluice' : (words[0]?.split('/').at(-1) ?? 'a process');
  return `${name} (pid ${pid})`;
}
