import { linkTarget, namesIn, readText } from '../sys/files.js';
import { allPids, processName } from '../sys/processes.js';

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

/** Files that a process has open; none of another user's process, which only root sees. */
function descriptors(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  return namesIn(folder).map((fd) => linkTarget(`${folder}/${fd}`) ?? '');
}

/** Files that a process has mapped: the last field of each line of /proc/PID/maps. */
function mappings(pid: number): string[] {
  const lines = (readText(`/proc/${pid}/maps`) ?? '').split('\n');
  return lines.map((line) => /\s(\/.*)$/.exec(line)?.[1] ?? '');
}

/** The first path below the mount point that a process uses. */
function usedPath(pid: number, mountpoint: string): string | undefined {
  const links = ['cwd', 'root'].map((name) => linkTarget(`/proc/${pid}/${name}`) ?? '');
  const find = (paths: string[]) => paths.find((path) => below(path, mountpoint));
  return find(links) ?? find(descriptors(pid)) ?? find(mappings(pid));
}

/** Loop devices over files of the mount are held by the kernel, not by a process. */
function loopDevices(mountpoint: string): string[] {
  const loops = namesIn('/sys/block').filter((name) => name.startsWith('loop'));
  const used = loops.filter((name) => {
    const file = readText(`/sys/block/${name}/loop/backing_file`);
    return file !== null && below(file.trimEnd(), mountpoint);
  });
  return used.map((name) => `/dev/${name}`);
}

/** The users that keep a mount busy. The mount is not touched: links in /proc are read, not followed. */
export function findHolders(mountpoint: string): { processes: Holder[]; devices: string[] } {
  const processes: Holder[] = [];
  for (const pid of allPids()) {
    const path = usedPath(pid, mountpoint);
    if (path === undefined) continue;
    processes.push({ pid, name: processName(pid), path });
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
