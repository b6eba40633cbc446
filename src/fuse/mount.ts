import { constants } from 'node:fs';
import { O_CLOEXEC } from '../sys/constants.js';
import { close, mount, open, poll, umount2 } from '../sys/libc.js';
import { readMountTable, topMount } from '../sys/mount-table.js';
import { SpareDescriptors } from '../sys/spare-descriptors.js';
import { ERRNO, errnoName } from '../util/errno.js';
import { SluiceError } from '../util/errors.js';
import { mountByFusermount, unmountByFusermount } from './fusermount.js';
import { deviceError, mountError, pointError, unmountError } from './mount-errors.js';
import {
  kernelData,
  type MountPlan,
  type MountRequest,
  MS_NODEV,
  MS_NOSUID,
  MS_RDONLY,
  parseMountOptions,
} from './mount-options.js';
import { checkMountpoint, FUSE_TYPE, ourMount } from './mount-point.js';

const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;
const POLLERR = 0x8;
const POLLNVAL = 0x20;
/** Descriptors that unmounting takes: for the mount table, and with fusermount3 for the pipes to it. */
const SPARE_BY_KERNEL = 2;
const SPARE_BY_FUSERMOUNT = 16;

/** A FUSE mount whose INIT request waits to be read. */
export interface FuseMount {
  /** /dev/fuse: O_RDWR, O_NONBLOCK, closed on exec. Whoever mounted closes it, after unmount. */
  readonly fd: number;
  /** Its number in the mount table, `major:minor`; '' if somebody unmounted it at once. */
  readonly device: string;
  /** Made by fusermount3, which also has to unmount it. */
  readonly byFusermount: boolean;
  /**
   * Unmounts, if the mount is still there and ours; else does nothing. Without `lazy` it waits for
   * writeback, so keep serving meanwhile. Throws a SluiceError: EBUSY when files are open (not when
   * lazy) or when another mount lies on top, EPERM. An aborted connection counts as gone: to end a
   * mount that can serve no more, unmount lazily and then close `fd`, not the other way round.
   */
  unmount(lazy: boolean): Promise<void>;
}

/**
 * Mounts: as root by mount(2), else (or where that is not permitted) by fusermount3.
 * Throws a SluiceError, EXIT_MOUNT, or EXIT_USAGE for a bad option; then nothing is left mounted.
 */
export async function mountFuse(request: MountRequest): Promise<FuseMount> {
  const plan = makePlan(request);
  const { fd, byFusermount } = await attach(plan);
  return watchMount(plan.mountpoint, fd, byFusermount);
}

/** A mount over the connection `fd`, whoever made it. */
export async function watchMount(
  mountpoint: string,
  fd: number,
  byFusermount: boolean,
): Promise<FuseMount> {
  try {
    return adoptMount(mountpoint, fd, byFusermount);
  } catch (error) {
    await detachBy(byFusermount)(mountpoint, true).finally(() => close(fd));
    throw error;
  }
}

/** The same, but the mount is left alone if that fails: it is another process's still. */
export function adoptMount(mountpoint: string, fd: number, byFusermount: boolean): FuseMount {
  // An empty one matches nothing in `unmount`.
  const device = ourMount(mountpoint)?.device ?? '';
  const spare = new SpareDescriptors(byFusermount ? SPARE_BY_FUSERMOUNT : SPARE_BY_KERNEL);
  const attached = { fd, device, detach: detachBy(byFusermount), spare };
  return { fd, device, byFusermount, unmount: (lazy) => unmount(attached, mountpoint, lazy) };
}

function detachBy(byFusermount: boolean): Attached['detach'] {
  return byFusermount ? unmountByFusermount : unmountByKernel;
}

/** Reads the options of a mount and looks at its mount point. Throws as `mountFuse` does. */
export function makePlan(request: MountRequest): MountPlan {
  const options = parseMountOptions(request.options);
  const flags = options.flags & ~MS_RDONLY;
  const unsafe = flags & MS_NOSUID ? 'dev' : 'suid';
  if (!isRoot() && (~flags & (MS_NOSUID | MS_NODEV)) !== 0) {
    throw mountError(`mount option "${unsafe}" is for root only`, 'EPERM');
  }
  return {
    ...request,
    mountpoint: checkMountpoint(request.mountpoint),
    source: options.source ?? request.source,
    flags,
    allowOther: options.allowOther || request.allowOther,
    // A larger max_read= than the daemon has room for is no reason to fail: it is an upper bound.
    maxRead: Math.min(options.maxRead ?? request.maxRead, request.maxRead),
  };
}

function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

async function attach(plan: MountPlan): Promise<{ fd: number; byFusermount: boolean }> {
  if (!isRoot()) return { fd: await mountByFusermount(plan), byFusermount: true };
  const fd = mountByKernel(plan);
  if (fd >= 0) return { fd, byFusermount: false };
  if (fd !== -ERRNO.EPERM) throw pointError(plan.mountpoint, errnoName(fd));
  // Root without CAP_SYS_ADMIN, as in a container: there fusermount3 may be a stand-in that asks the
  // host to mount, so it is tried. If it is missing, EPERM of mount(2) explains more than its absence.
  try {
    return { fd: await mountByFusermount(plan), byFusermount: true };
  } catch (error) {
    const missing = error instanceof SluiceError && error.errno === 'ENOENT';
    throw missing ? pointError(plan.mountpoint, 'EPERM') : error;
  }
}

/** Returns an open /dev/fuse, or -errno of mount(2). */
function mountByKernel(plan: MountPlan): number {
  const fd = open('/dev/fuse', constants.O_RDWR | constants.O_NONBLOCK | O_CLOEXEC, 0);
  if (fd < 0) throw deviceError(errnoName(fd));
  const data = kernelData(plan, fd, process.getuid?.() ?? 0, process.getgid?.() ?? 0);
  const result = mount(plan.source, plan.mountpoint, FUSE_TYPE, plan.flags, data);
  if (result === 0) return fd;
  close(fd);
  return result;
}

async function unmountByKernel(mountpoint: string, lazy: boolean): Promise<void> {
  const flags = UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0);
  const result = await umount2(mountpoint, flags);
  if (result < 0) throw unmountError(mountpoint, result);
}

interface Attached {
  fd: number;
  /** `major:minor` of the mount. */
  device: string;
  detach(mountpoint: string, lazy: boolean): Promise<void>;
  /** A mount can be taken away, however many files its daemon has open. */
  spare: SpareDescriptors;
}

async function unmount(attached: Attached, mountpoint: string, lazy: boolean): Promise<void> {
  attached.spare.release();
  try {
    await unmountNow(attached, mountpoint, lazy);
  } catch (error) {
    // For the next attempt; who has taken the room meanwhile may give it back by then.
    attached.spare.tryToTake();
    throw error;
  }
}

async function unmountNow(attached: Attached, mountpoint: string, lazy: boolean): Promise<void> {
  const { fd, device, detach } = attached;
  // While the connection lives, its device number is nobody else's; afterwards it is used again.
  if (isGone(fd)) return;
  const table = readMountTable();
  const listed = table.some((e) => e.mountpoint === mountpoint && e.device === device);
  if (!listed) return;
  if (topMount(table, mountpoint)?.device !== device) {
    throw mountError(`${mountpoint}: another file system is mounted over it`, 'EBUSY');
  }
  try {
    await detach(mountpoint, lazy);
  } catch (error) {
    // Somebody else was faster: fine.
    if (!isGone(fd)) throw error;
  }
}

/** Whether the kernel has cut the connection of an open /dev/fuse: poll(2) reports POLLERR from then on. */
export function isGone(fd: number): boolean {
  const pollfd = new DataView(new ArrayBuffer(8));
  pollfd.setInt32(0, fd, true);
  poll(pollfd, 1, 0);
  return (pollfd.getUint16(6, true) & (POLLERR | POLLNVAL)) !== 0;
}
