import { readFile } from 'node:fs/promises';

/** One line of /proc/PID/mountinfo; see proc_pid_mountinfo(5). */
export interface MountEntry {
  readonly id: string;
  /** The mount that this one lies on. */
  readonly parent: string;
  /** `major:minor`, one number for each FUSE connection. */
  readonly device: string;
  readonly mountpoint: string;
  /** File system type with the subtype, for instance `fuse.sluice`. */
  readonly type: string;
  /** What is mounted: a device, or whatever the file system says. */
  readonly source: string;
}

/** What is mounted as this process sees it. Reading it asks no file system anything. */
export async function readMountTable(): Promise<MountEntry[]> {
  return parseMountTable(await readFile('/proc/self/mountinfo', 'utf8'));
}

/** Reads the text of a mountinfo file. */
export function parseMountTable(text: string): MountEntry[] {
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const fields = line.split(' ');
    // A varying number of optional fields ends with a lone "-"; the type comes after it.
    const [type, source] = fields.slice(fields.indexOf('-', 6) + 1);
    const [id, parent, device, , mountpoint] = fields;
    return {
      id,
      parent,
      device,
      mountpoint: decodeOctal(mountpoint),
      type,
      source: decodeOctal(source),
    };
  });
}

/** The kernel writes space, tab, newline and backslash as three octal digits. */
function decodeOctal(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

/** What a look at `mountpoint` reaches: of several mounts on one place the one on top. */
export function topMount(table: readonly MountEntry[], mountpoint: string): MountEntry | null {
  const here = table.filter((entry) => entry.mountpoint === mountpoint);
  const covered = new Set(here.map((entry) => entry.parent));
  return here.findLast((entry) => !covered.has(entry.id)) ?? null;
}
