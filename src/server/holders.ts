import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { allPids, commandLine } from '../sys/processes.js';

/** A process that keeps a mount busy. */
export interface Holder {
  pid: number;
  /** Base name of its program. */
  name: string;
  /** A path below the mount point that it uses. */
  path: string;
}

function below(path: string, mountpoint: string): boolean {
  return path === mountpoint || path.startsWith(`${mountpoint}/`);
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function descriptors(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => readLink(`/proc/${pid}/fd/${fd}`));
  } catch {
    return []; // Another user's process: only root sees it.
  }
}

/** Files that a process has mapped: the last field of each line of /proc/PID/maps. */
function mappings(pid: number): string[] {
  try {
    const lines = readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n');
    return lines.map((line) => /\s(\/.*)$/.exec(line)?.[1] ?? '');
  } catch {
    return [];
  }
}

/** The first path below the mount point that a process uses. */
function usedPath(pid: number, mountpoint: string): string | undefined {
  const links = [readLink(`/proc/${pid}/cwd`), readLink(`/proc/${pid}/root`)];
  const find = (paths: string[]) => paths.find((path) => below(path, mountpoint));
  return find(links) ?? find(descriptors(pid)) ?? find(mappings(pid));
}

/** Loop devices over files of the mount are held by the kernel, not by a process. */
function loopDevices(mountpoint: string): string[] {
  const devices: string[] = [];
  for (const name of readdirSync('/sys/block')) {
    if (!name.startsWith('loop')) continue;
    try {
      const file = readFileSync(`/sys/block/${name}/loop/backing_file`, 'utf8').trimEnd();
      if (below(file, mountpoint)) devices.push(`/dev/${name}`);
    } catch {
      // Not in use.
    }
  }
  return devices;
}

/** The users that keep a mount busy. The mount is not touched: links in /proc are read, not followed. */
export function findHolders(mountpoint: string): { processes: Holder[]; devices: string[] } {
  const processes: Holder[] = [];
  for (const pid of allPids()) {
    // This very command may have been started from within the mount; it leaves it.
    if (pid === process.pid) continue;
    const path = usedPath(pid, mountpoint);
    if (path === undefined) continue;
    const program = commandLine(pid)?.[0]?.split('/').at(-1);
    processes.push({ pid, name: program ?? 'process', path });
  }
  return { processes, devices: loopDevices(mountpoint) };
}

/** More names than this help nobody. */
const MAX_NAMED = 3;

/** Names the users that keep a mount busy: `fio (pid 4242), /dev/loop0 and 2 more`. Empty if unknown. */
export function describeHolders(found: { processes: Holder[]; devices: string[] }): string {
  const names = found.processes.map((holder) => `${holder.name} (pid ${holder.pid})`);
  names.push(...found.devices);
  const rest = names.length - MAX_NAMED;
  const shown = names.slice(0, MAX_NAMED).join(', ');
  return rest > 0 ? `${shown} and ${rest} more` : shown;
}
