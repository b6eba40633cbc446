import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** One line of /proc/PID/mountinfo; see proc_pid_mountinfo(5). */
export interface MountEntry {
  readonly id: string;
  /** `id` of the mount below. */
  readonly parent: string;
  /** `major:minor`; each FUSE connection has its own. */
  readonly device: string;
  readonly mountpoint: string;
  /** Type of the file system with its subtype, for instance `fuse.sluice`. */
  readonly type: string;
  /** A device, or any text of the file system. */
  readonly source: string;
  /** Of the file system, for instance `rw,user_id=1000,group_id=1000`. */
  readonly options: string;
}

/** All mounts in the namespace of this process. No file system is asked, so a dead mount does no harm. */
export function readMountTable(): MountEntry[] {
  return parseMountTable(readFileSync('/proc/self/mountinfo', 'utf8'));
}

/** Parses a mountinfo file. */
export function parseMountTable(text: string): MountEntry[] {
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const fields = line.split(' ');
    // A varying number of optional fields ends with a lone "-"; the type comes after it.
    const [type, source, options] = fields.slice(fields.indexOf('-', 6) + 1);
    const [id, parent, device, , mountpoint] = fields;
    return {
      id,
      parent,
      device,
      mountpoint: decodeOctal(mountpoint),
      type,
      source: decodeOctal(source),
      options,
    };
  });
}

/** A path as the kernel's tables have it: space, tab, newline and backslash are three octal digits. */
export function decodeOctal(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

/** The mount that a path lookup of `mountpoint` reaches: the topmost of those on it; null for none. */
export function topMount(table: readonly MountEntry[], mountpoint: string): MountEntry | null {
  const here = table.filter((entry) => entry.mountpoint === mountpoint);
  const covered = new Set(here.map((entry) => entry.parent));
  return here.findLast((entry) => !covered.has(entry.id)) ?? null;
}

/** The mount that a file lies on, null for none. @param path absolute, without symbolic links */
export function mountOf(table: readonly MountEntry[], path: string): MountEntry | null {
  const mount = topMount(table, path);
  return mount !== null || path === dirname(path) ? mount : mountOf(table, dirname(path));
}
