import { linkTarget, readText } from '../sys/files.js';
import { type MountEntry, parseMountTable, topMount } from '../sys/mount-table.js';
import { allPids, processName } from '../sys/processes.js';

/** A place besides its mount point where a mount is to be seen. */
export interface OtherMount {
  path: string;
  /** The mount namespace, as /proc/PID/ns/mnt names it. */
  namespace: string;
  /** A process that sees it there, where that is another mount namespace than ours; else null. */
  pid: number | null;
}

/**
 * The other places of a mount: bind mounts of it or of a file in it, and its copies in other mount
 * namespaces (containers, services). As long as there is one the mount lives, and so does its daemon.
 * Other users' processes are seen by root alone.
 *
 * @param device `major:minor` of the mount
 * @param mountpoint where it is in this namespace; this place is left out
 */
export function otherMounts(device: string, mountpoint: string): OtherMount[] {
  const own = namespaceOf('self') ?? '';
  const found = placesOf('self', device)
    .filter((path) => path !== mountpoint)
    .map((path): OtherMount => ({ path, namespace: own, pid: null }));
  const seen = new Set([own]);
  for (const pid of allPids()) {
    const namespace = namespaceOf(pid);
    if (namespace === null || seen.has(namespace)) continue;
    seen.add(namespace);
    for (const path of placesOf(pid, device)) found.push({ path, namespace, pid });
  }
  return found;
}

/** `also mounted at /srv/a` and the like, for the first of them. */
export function describeOtherMounts(others: readonly OtherMount[]): string {
  const [{ path, pid }] = others as [OtherMount, ...OtherMount[]];
  const where =
    pid === null ? path : `${path} in the mount namespace of ${processName(pid)} (pid ${pid})`;
  const more = others.length > 1 ? ` and ${others.length - 1} more` : '';
  return `also mounted at ${where}${more}`;
}

/** Number of the device of the mount on top at a path, as this process sees it. */
export function deviceAt(mountpoint: string): string | null {
  return topMount(tableOf('self'), mountpoint)?.device ?? null;
}

function placesOf(pid: number | 'self', device: string): string[] {
  return tableOf(pid)
    .filter((entry) => entry.device === device)
    .map((entry) => entry.mountpoint);
}

/** Empty for a process that has ended, or is another user's. */
function tableOf(pid: number | 'self'): MountEntry[] {
  return parseMountTable(readText(`/proc/${pid}/mountinfo`) ?? '');
}

function namespaceOf(pid: number | 'self'): string | null {
  return linkTarget(`/proc/${pid}/ns/mnt`);
}
