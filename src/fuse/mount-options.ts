import { EXIT_USAGE, SluiceError } from '../util/errors.js';

// Flags of mount(2), linux/mount.h.
export const MS_RDONLY = 1;
export const MS_NOSUID = 2;
export const MS_NODEV = 4;
const MS_NOEXEC = 8;
const MS_SYNCHRONOUS = 16;
const MS_DIRSYNC = 128;
const MS_NOATIME = 1024;
const MS_NODIRATIME = 2048;
const MS_RELATIME = 1 << 21;
const MS_STRICTATIME = 1 << 24;
const MS_LAZYTIME = 1 << 25;

const ATIME = MS_NOATIME | MS_RELATIME | MS_STRICTATIME;
const USER = MS_NOSUID | MS_NODEV | MS_NOEXEC;

/** Generic words: the flags that each sets and clears. `user` and the like imply what mount(8) says. */
const FLAG_WORDS: ReadonlyMap<string, readonly [set: number, clear: number]> = new Map([
  ['defaults', [0, 0]],
  ['ro', [MS_RDONLY, 0]],
  ['rw', [0, MS_RDONLY]],
  ['nosuid', [MS_NOSUID, 0]],
  ['suid', [0, MS_NOSUID]],
  ['nodev', [MS_NODEV, 0]],
  ['dev', [0, MS_NODEV]],
  ['noexec', [MS_NOEXEC, 0]],
  ['exec', [0, MS_NOEXEC]],
  ['sync', [MS_SYNCHRONOUS, 0]],
  ['async', [0, MS_SYNCHRONOUS]],
  ['dirsync', [MS_DIRSYNC, 0]],
  ['noatime', [MS_NOATIME, ATIME]],
  ['atime', [0, MS_NOATIME]],
  ['nodiratime', [MS_NODIRATIME, 0]],
  ['diratime', [0, MS_NODIRATIME]],
  ['relatime', [MS_RELATIME, ATIME]],
  ['norelatime', [0, MS_RELATIME]],
  ['strictatime', [MS_STRICTATIME, ATIME]],
  ['nostrictatime', [0, MS_STRICTATIME]],
  ['lazytime', [MS_LAZYTIME, 0]],
  ['nolazytime', [0, MS_LAZYTIME]],
  ['user', [USER, 0]],
  ['users', [USER, 0]],
  ['owner', [MS_NOSUID | MS_NODEV, 0]],
  ['group', [MS_NOSUID | MS_NODEV, 0]],
]);

/** Words of /etc/fstab that are for others, and FUSE words that we set anyway. */
const IGNORED = new Set([
  'auto',
  'noauto',
  'nouser',
  'nofail',
  '_netdev',
  'nonempty',
  'default_permissions',
]);
const IGNORED_PREFIX = /^(x-|X-|comment=)/;

/** Words that users of other FUSE programs expect, with the reason why they are refused. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  ['auto_unmount', 'is not supported; end the mount with: sluice umount'],
  ['allow_root', 'is not supported; use allow_other'],
]);

/** The meaning of `-o` words. */
export interface MountOptions {
  /** MS_ flags of mount(2). */
  readonly flags: number;
  readonly allowOther: boolean;
  /** Bytes of the largest read that was asked for; null if no word said so. */
  readonly maxRead: number | null;
  /** The value of `fsname=`; null without one. */
  readonly source: string | null;
}

/**
 * Reads words in the style of fstab. Each element is one word or several with commas between; `\,`
 * is a comma inside a word. Later words win. Throws EINVAL for a word that nobody knows.
 */
export function parseMountOptions(lists: readonly string[]): MountOptions {
  let flags = MS_NOSUID | MS_NODEV;
  let allowOther = false;
  let maxRead: number | null = null;
  let source: string | null = null;
  for (const word of lists.flatMap(splitWords)) {
    const flag = FLAG_WORDS.get(word);
    if (flag) flags = (flags & ~flag[1]) | flag[0];
    else if (word === 'allow_other') allowOther = true;
    else if (word.startsWith('max_read=')) maxRead = parseMaxRead(word);
    else if (word.startsWith('fsname=')) source = word.slice('fsname='.length);
    else if (!IGNORED.has(word) && !IGNORED_PREFIX.test(word)) throw refused(word);
  }
  return { flags, allowOther, maxRead, source };
}

function splitWords(list: string): string[] {
  const words = list.match(/(?:\\.|[^,\\]|\\$)+/gs) ?? [];
  return words.map((word) => word.replace(/\\(.)/gs, '$1'));
}

function parseMaxRead(word: string): number {
  const digits = /^max_read=(\d{1,10})$/.exec(word);
  const bytes = digits ? Number(digits[1]) : 0;
  // The kernel's floor; a smaller value would silently become this one.
  if (bytes < 4096) throw usage(`mount option "${word}": at least 4096 bytes are needed`);
  return bytes;
}

function refused(word: string): SluiceError {
  const why = REFUSED.get(word) ?? 'is not known; see mount(8) and mount.fuse3(8)';
  return usage(`mount option "${word}" ${why}`);
}

function usage(message: string): SluiceError {
  return new SluiceError(message, 'EINVAL', EXIT_USAGE);
}

/** The mount that is to be made. */
export interface MountRequest {
  /** Absolute path of an existing directory. */
  mountpoint: string;
  /** Bytes of the largest read request that the daemon has room for, 4096 at least. */
  maxRead: number;
  /** Let other users in; the mode bits of the files still count. Off as in libfuse. */
  allowOther: boolean;
  /**
   * Further `-o` words. `ro` makes images read-only, not the mount: groups can be changed all the same.
   */
  options: string[];
  /** Shown as the source in /proc/mounts, for instance the path of the image; any characters. */
  source: string;
  /** The kernel may keep pages of the files. */
  pageCache?: boolean;
}

/** A mount with all its words resolved, the same for mount(2) and fusermount3. The path has no symbolic links. */
export interface MountPlan extends Readonly<Omit<MountRequest, 'options'>> {
  /** MS_ flags of mount(2). */
  readonly flags: number;
}

/** The `data` argument of mount(2) for an open /dev/fuse. */
export function kernelData(plan: MountPlan, fd: number, uid: number, gid: number): string {
  // default_permissions: the kernel checks modes, so that no ACCESS request is needed and
  // allow_other opens nothing to users whom the mode bits shut out.
  const words = [`fd=${fd}`, 'rootmode=40000', `user_id=${uid}`, `group_id=${gid}`];
  words.push('default_permissions', `max_read=${plan.maxRead}`);
  if (plan.allowOther) words.push('allow_other');
  return words.join(',');
}

/** The `-o` argument of fusermount3, which adds fd, rootmode, user_id and group_id itself. */
export function fusermountOptions(plan: MountPlan): string {
  const { flags } = plan;
  const words = [flags & MS_RDONLY ? 'ro' : 'rw'];
  // Words are given only where they differ from its defaults (nosuid, nodev, exec, async). It knows
  // no relatime and the like, which mean nothing here: the kernel keeps no access times for FUSE.
  if (!(flags & MS_NOSUID)) words.push('suid');
  if (!(flags & MS_NODEV)) words.push('dev');
  if (flags & MS_NOEXEC) words.push('noexec');
  if (flags & MS_SYNCHRONOUS) words.push('sync');
  if (flags & MS_DIRSYNC) words.push('dirsync');
  if (flags & MS_NOATIME) words.push('noatime');
  words.push('default_permissions', `max_read=${plan.maxRead}`);
  if (plan.allowOther) words.push('allow_other');
  words.push('subtype=sluice', `fsname=${plan.source.replace(/[\\,]/g, '\\$&')}`);
  return words.join(',');
}
