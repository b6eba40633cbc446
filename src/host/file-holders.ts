import { readdirSync, readFileSync } from 'node:fs';
import { allPids, commandLine } from '../sys/processes.js';
import type { OpenFile } from './open-file.js';

/**
 * Names the process that is likely to hold a lock on a file: `qemu-system-x86_64 (pid 4242)`. One whose
 * descriptor has a lock comes first, then any that has the file open: /proc/locks does not name the
 * process of such a lock. Null if none is seen; root alone sees the processes of other users.
 */
export function describeHolder(file: OpenFile): string | null {
  let open: number | null = null;
  for (const pid of allPids()) {
    for (const fd of descriptorsOf(pid, file)) {
      const isOurs = pid === process.pid && fd === file.descriptor;
      if (isOurs) continue;
      if (hasLock(pid, fd)) return describe(pid);
      open ??= pid;
    }
  }
  return open === null ? null : describe(open);
}

function descriptorsOf(pid: number, file: OpenFile): number[] {
  try {
    const names = readdirSync(`/proc/${pid}/fd`);
    return names.map(Number).filter((fd) => file.isAt(`/proc/${pid}/fd/${fd}`));
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
