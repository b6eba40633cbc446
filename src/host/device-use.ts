import { constants, existsSync, statSync } from 'node:fs';
import { O_CLOEXEC } from '../sys/constants.js';
import { namesIn, readText } from '../sys/files.js';
import { close, open } from '../sys/libc.js';
import {
  decodeOctal,
  type MountEntry,
  mountOf,
  parseMountTable,
  readMountTable,
} from '../sys/mount-table.js';
import { allPids } from '../sys/processes.js';
import { ERRNO, errnoName } from '../util/errno.js';
import { EXIT_IMAGE, SluiceError } from '../util/errors.js';
import { deviceName } from './block-device.js';
import { fileError } from './file-errors.js';
import { describeHolder } from './file-holders.js';
import { isHeldForWriting } from './file-locks.js';
import type { OpenFile } from './open-file.js';

// A mounted file system, swap space, device mapper and md hold their devices alone. They ignore the
// locks of file-locks.ts, so nobody else may write to the devices that they hold.

/**
 * Holds a file for writing against the kernel's own users of it, as mkfs does: a block device with
 * O_EXCL; a regular file must not be written by a loop device or as swap space, nor the file of a loop device
 * by anybody else.
 *
 * @returns A descriptor that holds the device as long as it is open; -1 for a regular file.
 * @throws SluiceError EBUSY, exit code 3
 */
export function claimForWriting(file: OpenFile): number {
  if (!file.blockDevice) {
    const use = describeUse(file);
    if (use !== null) throw inUse(file, use);
    return -1;
  }
  const flags = constants.O_RDWR | constants.O_EXCL | O_CLOEXEC;
  const descriptor = open(file.link, flags, 0);
  const use = descriptor >= 0 ? useOfLoopFile(deviceName(statSync(file.link).rdev)) : null;
  if (use !== null) {
    close(descriptor);
    throw inUse(file, use);
  }
  if (descriptor >= 0) return descriptor;
  if (descriptor === -ERRNO.EBUSY) throw inUse(file, describeUse(file) ?? someHolder(file));
  throw fileError(file.path, 'write', errnoName(descriptor));
}

function inUse({ path }: OpenFile, use: string): SluiceError {
  return new SluiceError(`${path}: ${use}; end that, or use --read-only`, 'EBUSY', EXIT_IMAGE);
}

function someHolder(file: OpenFile): string {
  const holder = mountElsewhere(file) ?? describeHolder(file);
  return `in use by ${holder ?? 'the kernel or another program'}`;
}

/**
 * The kernel's use of a block device or of one of its partitions, or the loop device that writes a
 * regular file: `mounted at /mnt/a`. Null if none is seen. Opens nothing.
 *
 * @param swaps The content of /proc/swaps.
 */
export function describeUse(file: OpenFile, swaps = read('/proc/swaps') ?? ''): string | null {
  const swapSpaces = swapPaths(swaps);
  if (!file.blockDevice) {
    if (swapSpaces.some((path) => file.isAt(path))) return 'in use as swap space';
    return loopOver(file, swapSpaces);
  }
  const { rdev } = statSync(file.link);
  for (const device of withPartitions(deviceName(rdev))) {
    const use = describeDevice(device, swapSpaces);
    if (use !== null) return use;
  }
  return null;
}

function withPartitions(device: string): string[] {
  const folder = `/sys/dev/block/${device}`;
  const partitions = namesIn(folder).map(
    (name) => read(`${folder}/${name}/partition`) && read(`${folder}/${name}/dev`),
  );
  return [device, ...partitions.filter((name) => name !== null)];
}

function describeDevice(device: string, swapSpaces: readonly string[]): string | null {
  const place = mountpointOf(parseMountTable(read('/proc/self/mountinfo') ?? ''), device);
  if (place !== null) return `mounted at ${place}`;
  if (swapSpaces.some((path) => isDevice(path, device))) return 'in use as swap space';
  const holders = namesIn(`/sys/dev/block/${device}/holders`);
  if (holders.length === 0) return null;
  const names = holders.map((name) => {
    const mapped = read(`/sys/block/${name}/dm/name`);
    return mapped === null ? `/dev/${name}` : `/dev/mapper/${mapped}`;
  });
  return `part of ${names.join(', ')}`;
}

/**
 * Looks for the number of the device and for its name, because btrfs and others have numbers of their own.
 * The source of a FUSE mount does not count: it is any text of its daemon.
 */
function mountpointOf(table: readonly MountEntry[], device: string): string | null {
  const mounted = table.find((entry) => {
    if (entry.device === device) return true;
    return !entry.type.startsWith('fuse') && isDevice(entry.source, device);
  });
  return mounted?.mountpoint ?? null;
}

/** In another mount namespace: a container's. */
function mountElsewhere(file: OpenFile): string | null {
  const device = deviceName(statSync(file.link).rdev);
  for (const pid of allPids()) {
    const place = mountpointOf(parseMountTable(read(`/proc/${pid}/mountinfo`) ?? ''), device);
    if (place !== null) return `a mount at ${place} that process ${pid} sees`;
  }
  return null;
}

/** Paths of the devices and files that are swap space. */
function swapPaths(table: string): string[] {
  const lines = table.split('\n').slice(1);
  return lines.map((line) => decodeOctal(line.split(/\s/)[0]!));
}

function isDevice(path: string, device: string): boolean {
  if (!path.startsWith('/dev/')) return false;
  try {
    const stats = statSync(path);
    return stats.isBlockDevice() && deviceName(stats.rdev) === device;
  } catch {
    return false;
  }
}

/**
 * Who writes the file of a loop device, or of the one that a partition lies on, by a lock: the kernel does not ask for
 * those when it attaches a file. Null if nobody is seen.
 */
function useOfLoopFile(device: string): string | null {
  const [own, whole] = ['', '/..'].map((up) => {
    return read(`/sys/dev/block/${device}${up}/loop/backing_file`);
  });
  const path = own ?? whole;
  if (path == null) return null;
  const descriptor = open(path, constants.O_RDONLY | constants.O_NONBLOCK | O_CLOEXEC, 0);
  if (descriptor < 0) return null;
  const isWritten = isHeldForWriting(descriptor);
  close(descriptor);
  return isWritten ? `a loop device, whose file ${path} is in use for writing` : null;
}

/** The loop device that writes a file, and where that is mounted. */
function loopOver(file: OpenFile, swapSpaces: readonly string[]): string | null {
  for (const name of namesIn('/sys/block').filter((name) => name.startsWith('loop'))) {
    // Most are free, and an error for each of them takes longer than the rest of the start of a file.
    if (!existsSync(`/sys/block/${name}/loop`)) continue;
    const backing = read(`/sys/block/${name}/loop/backing_file`);
    if (backing === null || read(`/sys/block/${name}/ro`) !== '0') continue;
    if (!mayBeAt(file, backing) || !file.isAt(backing)) continue;
    const devices = withPartitions(read(`/sys/block/${name}/dev`)!);
    const use = devices.map((device) => describeDevice(device, swapSpaces));
    const how = use.find((one) => one !== null) ?? `losetup -d /dev/${name} frees it`;
    return `in use by /dev/${name}: ${how}`;
  }
  return null;
}

/** File systems that another program or host serves: it may not answer. */
const SERVED = /^(fuse|nfs|cifs|smb|ceph|9p)/;

/**
 * False where the file cannot be at a path, without a look there: a daemon that takes another one's place would wait for itself, if
 * a loop device is over a file of its mount.
 */
function mayBeAt(file: OpenFile, path: string): boolean {
  const mount = mountOf(readMountTable(), path);
  if (mount === null || !SERVED.test(mount.type)) return true;
  return mount.device === deviceName(statSync(file.link).dev);
}

function read(file: string): string | null {
  return readText(file)?.trimEnd() ?? null;
}
