import { namesIn, readText } from '../sys/files.js';
import { allPids, commandLine, processName } from '../sys/processes.js';
import type { OpenFile } from './open-file.js';

/**
 * Names the process that is likely to hold a lock on a file: `qemu-system-x86_64 (pid 4242)`. One whose
 * descriptor has a lock comes first, then any that has the file open: /proc/locks does not name the
 * process of such a lock. Null if none is seen; root alone sees the processes of other users.
 */
export function describeHolder(file: OpenFile): string | null {
  let open: number | null = null;
  for (const pid of allPids()) {
    const all = namesIn(`/proc/${pid}/fd`).map(Number);
    for (const fd of all.filter((one) => file.isAt(`/proc/${pid}/fd/${one}`))) {
      const isOurs = pid === process.pid && fd === file.descriptor;
      if (isOurs) continue;
      if (hasLock(pid, fd)) return describe(pid);
      open ??= pid;
    }
  }
  return open === null ? null : describe(open);
}

function hasLock(pid: number, fd: number): boolean {
  return /^lock:/m.test(readText(`/proc/${pid}/fdinfo/${fd}`) ?? '');
}

function describe(pid: number): string {
  const words = commandLine(pid) ?? [];
  const isSluice = words.some((word) => /\/src\/(daemon|server|cli)\/main\.js$/.test(word));
  return `${isSluice ? 'sluice' : processName(pid)} (pid ${pid})`;
}
