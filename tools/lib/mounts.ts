import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Child, run, settles } from './process.js';

/** How long a server may take to show its file, milliseconds. */
const READY_MS = 15_000;
/** A mount that does not answer stat(2) for this long counts as hung, milliseconds. */
const LOOK_MS = 2000;

/** Mount points in the text of /proc/self/mountinfo, unescaped. */
export function parseMountPoints(mountinfo: string): string[] {
  const lines = mountinfo.split('\n').filter((line) => line !== '');
  return lines.map((line) =>
    line
      .split(' ')[4]
      .replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8))),
  );
}

async function mountPoints(): Promise<string[]> {
  return parseMountPoints(await readFile('/proc/self/mountinfo', 'utf8'));
}

/** Whether something is mounted at exactly `path`; does not touch the mount. */
export async function isMounted(path: string): Promise<boolean> {
  return (await mountPoints()).includes(path);
}

/** Whether something is mounted below `folder`. */
export async function hasMounts(folder: string): Promise<boolean> {
  return (await mountPoints()).some((path) => path.startsWith(`${folder}/`));
}

/**
 * Unmounts `path` if it is mounted. While it is busy (the last close of a file may not be finished yet)
 * this is retried for two seconds; then it is unmounted lazily. Throws if it is still mounted then.
 */
export async function unmount(path: string): Promise<void> {
  const root = process.getuid?.() === 0;
  // -c: does not resolve the path, which fails or hangs on a dead mount.
  const clean = root ? ['umount', '-c', path] : ['fusermount3', '-u', path];
  const lazy = root ? ['umount', '-c', '-l', path] : ['fusermount3', '-u', '-z', path];
  for (let tries = 0; tries < 20 && (await isMounted(path)); tries++) {
    await run(clean[0], clean.slice(1), 5000).catch(() => delay(100));
  }
  if (await isMounted(path)) await run(lazy[0], lazy.slice(1)).catch(() => {});
  if (await isMounted(path)) throw new Error(`${path} is still mounted`);
}

/** File system type at `path`, as mount(8) names it: ext4, tmpfs ... */
export async function fileSystemOf(path: string): Promise<string> {
  // Not findmnt, which prints both of two stacked mounts.
  const lines = (await run('df', ['--output=fstype', path])).trim().split('\n');
  return lines[lines.length - 1].trim();
}

/**
 * The file a server shows: `name` under the mount point, or, without a name, the only *.raw file
 * there, or the mount point itself if it is a regular file. Null while there is none.
 */
async function shownFile(mountpoint: string, name: string | null): Promise<string | null> {
  if (name === '.') return mountpoint;
  if (name !== null) return join(mountpoint, name);
  const info = await stat(mountpoint);
  if (info.isFile()) return mountpoint;
  const raw = (await readdir(mountpoint)).filter((entry) => entry.endsWith('.raw'));
  return raw.length === 1 ? join(mountpoint, raw[0]) : null;
}

async function readyFile(mountpoint: string, name: string | null, size: number) {
  if (!(await isMounted(mountpoint))) return null;
  const file = await shownFile(mountpoint, name);
  if (file === null) return null;
  const info = await stat(file);
  return info.isFile() && info.size === size ? file : null;
}

/**
 * Waits until `mountpoint` is mounted and its file has `size` bytes; resolves to the file's path.
 * Rejects when the server exits first or after 15 s.
 */
export async function waitForFile(
  mountpoint: string,
  name: string | null,
  size: number,
  server: Child | null,
): Promise<string> {
  const deadline = Date.now() + READY_MS;
  while (Date.now() < deadline) {
    const look = readyFile(mountpoint, name, size).catch(() => null);
    if (!(await settles(look, LOOK_MS))) throw new Error(`${mountpoint} does not answer`);
    const file = await look;
    if (file !== null) return file;
    if (server && !server.isAlive()) {
      throw new Error(`the server exited: ${server.output() || 'it printed nothing'}`);
    }
    await delay(10);
  }
  const output = server?.output();
  throw new Error(`no file of ${size} bytes in ${READY_MS} ms${output ? `: ${output}` : ''}`);
}
