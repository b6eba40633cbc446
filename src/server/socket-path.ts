import { closeSync, constants, existsSync, openSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { O_PATH } from '../sys/constants.js';
import type { MountEntry } from '../sys/mount-table.js';

/** sun_path of sockaddr_un(7) has 108 bytes, with a NUL at the end. */
const SUN_PATH_MAX = 107;

const OF_ROOT = '/run/sluice';

/**
 * The folder for sockets of the daemons of a user; null if there is none for this user.
 *
 * @param own The user who asks, whose environment `env` is.
 */
export function socketFolder(
  uid: number,
  own: number,
  env: Readonly<Record<string, string | undefined>>,
): string | null {
  if (uid === 0) return OF_ROOT;
  const told = uid === own ? env.XDG_RUNTIME_DIR : undefined;
  if (told !== undefined && isAbsolute(told)) return join(told, 'sluice');
  // What XDG_RUNTIME_DIR is by pam_systemd(8), where su(1) or cron have lost the variable.
  const usual = `/run/user/${uid}`;
  return existsSync(usual) ? join(usual, 'sluice') : null;
}

/**
 * The name of a mount's socket. The kernel gives each FUSE mount a device number, which is that of no other as long
 * as the mount lives, in all namespaces. So a command finds the socket by the mount table alone, without a look at
 * the mount, and a socket that has the name of a new mount is of one that is gone.
 *
 * @param device `major:minor`
 */
export function socketName(device: string): string {
  return `${device.replace(':', '-')}.sock`;
}

/** Where the socket of a mount is, if it has one; null: nowhere. */
export function socketOf({
  device,
  options,
}: Pick<MountEntry, 'device' | 'options'>): string | null {
  const uid = Number(/(?:^|,)user_id=([0-9]+)/.exec(options)?.[1] ?? 0);
  const folder = socketFolder(uid, process.getuid!(), process.env);
  return folder && join(folder, socketName(device));
}

/** A way to a socket that fits sockaddr_un. */
export interface ShortPath {
  readonly path: string;
  /** The path leads nowhere after that. */
  release(): void;
}

/** @throws what open(2) of its folder does, for instance ENOENT */
export function shortPath(path: string): ShortPath {
  if (Buffer.byteLength(path) <= SUN_PATH_MAX) return { path, release: () => {} };
  const folder = openSync(dirname(path), O_PATH | constants.O_DIRECTORY);
  const name = path.slice(dirname(path).length + 1);
  return { path: `/proc/self/fd/${folder}/${name}`, release: () => closeSync(folder) };
}
