import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** A line of /proc/self/mountinfo. Reading it sends no request to a mount. */
export interface MountLine {
  /** `major:minor`; the minor number is the name of a FUSE connection. */
  device: string;
  point: string;
  type: string;
}

/** The mounts at a path, lowest first. */
export function mountsAt(point: string): MountLine[] {
  return allMounts().filter((mount) => mount.point === point);
}

/** Whether anything is mounted on or below a folder. */
export function hasMounts(folder: string): boolean {
  return allMounts().some(({ point }) => point === folder || point.startsWith(`${folder}/`));
}

function allMounts(): MountLine[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').trimEnd().split('\n');
  return lines.map((line) => {
    const [left, right] = line.split(' - ') as [string, string];
    const fields = left.split(' ');
    return { device: fields[2]!, point: unescapePath(fields[4]!), type: right.split(' ')[0]! };
  });
}

/** Decodes spaces and similar characters, written as three octal digits. */
function unescapePath(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(parseInt(digits, 8)));
}

/** True if a process exists and is not a zombie. */
export function isAlive(pid: number): boolean {
  const state = stateOf(pid);
  return state !== null && state !== 'Z' && state !== 'X';
}

/** State letter of a process, such as `D` for an uninterruptible wait; null if it is gone. */
export function stateOf(pid: number): string | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may contain spaces and parentheses.
    return text.slice(text.lastIndexOf(')') + 2, text.lastIndexOf(')') + 3);
  } catch {
    return null;
  }
}

/**
 * The targets of a process's descriptors, sorted: `/dev/fuse`, `anon_inode:[io_uring]`, paths. A file that has no name has a
 * number in its folder, another one for each file, which is left out.
 */
export function descriptorsOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  const targets = readdirSync(folder).map((fd) => {
    try {
      const target = readlinkSync(`${folder}/${fd}`);
      return target.replace(/^(socket|pipe):.*/, '$1').replace(/#\d+ \(deleted\)$/, '#');
    } catch {
      return 'closed meanwhile';
    }
  });
  return targets.sort();
}

/** The processes with open files below a mount, as `fuser` lists them. Reads /proc only. */
export function holdersOf(point: string): string[] {
  const pids = readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name));
  return pids.flatMap((pid) => {
    try {
      const held = descriptorsOf(Number(pid)).filter((target) => target.startsWith(point));
      return held.length === 0 ? [] : [`pid ${pid} (state ${stateOf(Number(pid))}): ${held}`];
    } catch {
      return [];
    }
  });
}

/** The processes with a word on their command line. */
export function processesOf(word: string): number[] {
  const pids = readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name));
  const words = (pid: string): string[] => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    } catch {
      return [];
    }
  };
  return pids.filter((pid) => words(pid).includes(word)).map(Number);
}

/** For what comes without doubt, but late on a machine that has much else to do. */
export const IN_THE_END_MS = 60_000;

/** Repeats a check until it succeeds, for asynchronous effects of the kernel. False after the limit. */
export async function eventually(check: () => boolean, limitMs = IN_THE_END_MS): Promise<boolean> {
  const end = performance.now() + limitMs;
  while (!check()) {
    if (performance.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return true;
}
