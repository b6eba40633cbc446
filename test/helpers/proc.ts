import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** A line of /proc/self/mountinfo. Reading it never asks a mount anything. */
export interface MountLine {
  /** `major:minor`; the minor number is the name of a FUSE connection. */
  device: string;
  point: string;
  type: string;
}

/** Mounts at a place, lowest first. */
export function mountsAt(point: string): MountLine[] {
  return allMounts().filter((mount) => mount.point === point);
}

function allMounts(): MountLine[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').trimEnd().split('\n');
  return lines.map((line) => {
    const [left, right] = line.split(' - ') as [string, string];
    const fields = left.split(' ');
    return { device: fields[2]!, point: unescapePath(fields[4]!), type: right.split(' ')[0]! };
  });
}

/** Spaces and the like are written as three octal digits. */
function unescapePath(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(parseInt(digits, 8)));
}

/** Whether a process is there, and not only as a zombie. */
export function isAlive(pid: number): boolean {
  const state = stateOf(pid);
  return state !== null && state !== 'Z' && state !== 'X';
}

/** State letter of a process, `D` for one that waits uninterruptibly; null if it is gone. */
function stateOf(pid: number): string | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in brackets may hold anything, spaces and brackets too.
    return text.slice(text.lastIndexOf(')') + 2, text.lastIndexOf(')') + 3);
  } catch {
    return null;
  }
}

/** What the descriptors of a process are, sorted: `/dev/fuse`, `anon_inode:[io_uring]`, paths. */
export function descriptorsOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  const targets = readdirSync(folder).map((fd) => {
    try {
      return readlinkSync(`${folder}/${fd}`).replace(/^(socket|pipe):.*/, '$1');
    } catch {
      return 'closed meanwhile';
    }
  });
  return targets.sort();
}

/** Who has something below a mount open, as `fuser` would say. Looks at /proc only. */
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

/** Tries again in short steps, for what the kernel does on its own time; says whether it came. */
export async function eventually(limitMs: number, check: () => boolean): Promise<boolean> {
  const end = performance.now() + limitMs;
  while (!check()) {
    if (performance.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return true;
}
