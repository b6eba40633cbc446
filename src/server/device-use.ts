import { constants, readdirSync, readFileSync, statSync } from 'node:fs';
import type { FileSource } from '../image/source.js';
import { O_CLOEXEC } from '../sys/constants.js';
import { open } from '../sys/libc.js';
import { type MountEntry, parseMountTable } from '../sys/mount-table.js';
import { allPids } from '../sys/processes.js';
import { splitDeviceNumber } from '../util/device-number.js';
import { ERRNO } from '../util/errno.js';
import { EXIT_IMAGE, SluiceError } from '../util/errors.js';
import { describeHolder } from './file-holders.js';
import { openError } from './host-file.js';

// A mounted file system, swap space, device mapper and md hold their devices alone. They write
// past the locks of image-locks.ts, so what they hold must not be written by anybody else.

/**
 * Holds an image for writing against the kernel's own users of it, as mkfs does: a block device with
 * O_EXCL; a regular file must not be written by a loop device.
 *
 * @returns a descriptor that holds the device as long as it is open; null for a regular file
 * @throws SluiceError EBUSY, exit code 3
 */
export function claimForWriting(source: FileSource): number | null {
  if (!source.blockDevice) {
    const use = describeUse(source);
    if (use !== null) throw inUse(source, use);
    return null;
  }
  const flags = constants.O_RDWR | constants.O_EXCL | O_CLOEXEC;
  const descriptor = open(source.link, flags, 0);
  if (descriptor >= 0) return descriptor;
  if (descriptor === -ERRNO.EBUSY) throw inUse(source, describeUse(source) ?? someHolder(source));
  throw openError(source.path, false, -descriptor);
}

function inUse({ path }: FileSource, use: string): SluiceError {
  return new SluiceError(`${path}: ${use}; end that, or use --read-only`, 'EBUSY', EXIT_IMAGE);
}

function someHolder(source: FileSource): string {
  const holder = mountElsewhere(source) ?? describeHolder(source);
  return `in use by ${holder ?? 'the kernel or another program'}`;
}

/**
 * What the kernel does with a block device or with one of its partitions, or which loop device
 * writes a regular file: `mounted at /mnt/a`. Null if nothing is seen. Nothing is opened.
 */
export function describeUse(source: FileSource): string | null {
  if (!source.blockDevice) return loopOver(source);
  const { rdev } = statSync(source.link);
  for (const device of withPartitions(nameOf(rdev))) {
    const use = describeDevice(device);
    if (use !== null) return use;
  }
  return null;
}

/** `8:1`, as sysfs and mountinfo have it. */
function nameOf(rdev: number): string {
  const { major, minor } = splitDeviceNumber(rdev);
  return `${major}:${minor}`;
}

function withPartitions(device: string): string[] {
  const folder = `/sys/dev/block/${device}`;
  const partitions = list(folder).map(
    (name) => read(`${folder}/${name}/partition`) && read(`${folder}/${name}/dev`),
  );
  return [device, ...partitions.filter((name) => name !== null)];
}

function describeDevice(device: string): string | null {
  const place = mountpointOf(parseMountTable(read('/proc/self/mountinfo') ?? ''), device);
  if (place !== null) return `mounted at ${place}`;
  if (isSwap(device)) return 'in use as swap space';
  const holders = list(`/sys/dev/block/${device}/holders`);
  if (holders.length === 0) return null;
  const names = holders.map((name) => {
    const mapped = read(`/sys/block/${name}/dm/name`);
    return mapped === null ? `/dev/${name}` : `/dev/mapper/${mapped}`;
  });
  return `part of ${names.join(', ')}`;
}

/**
 * By number; btrfs and others have numbers of their own, so by the name of the device too. The source
 * of a FUSE mount is whatever its daemon says.
 */
function mountpointOf(table: readonly MountEntry[], device: string): string | null {
  const mounted = table.find((entry) => {
    if (entry.device === device) return true;
    return !entry.type.startsWith('fuse') && isDevice(entry.source, device);
  });
  return mounted?.mountpoint ?? null;
}

/** In another mount namespace: a container's. */
function mountElsewhere(source: FileSource): string | null {
  const device = nameOf(statSync(source.link).rdev);
  for (const pid of allPids()) {
    const place = mountpointOf(parseMountTable(read(`/proc/${pid}/mountinfo`) ?? ''), device);
    if (place !== null) return `a mount at ${place} that process ${pid} sees`;
  }
  return null;
}

function isSwap(device: string): boolean {
  const lines = (read('/proc/swaps') ?? '').split('\n').slice(1);
  return lines.some((line) => isDevice(line.split(/\s/)[0]!, device));
}

function isDevice(path: string, device: string): boolean {
  if (!path.startsWith('/dev/')) return false;
  try {
    const stats = statSync(path);
    return stats.isBlockDevice() && nameOf(stats.rdev) === device;
  } catch {
    return false;
  }
}

/** The loop device that writes a file, and where that is mounted. */
function loopOver(source: FileSource): string | null {
  for (const name of list('/sys/block').filter((name) => name.startsWith('loop'))) {
    const file = read(`/sys/block/${name}/loop/backing_file`);
    if (file === null || read(`/sys/block/${name}/ro`) !== '0') continue;
    if (!source.isAt(file)) continue;
    const use = withPartitions(read(`/sys/block/${name}/dev`)!).map(describeDevice);
    const how = use.find((one) => one !== null) ?? `losetup -d /dev/${name} frees it`;
    return `in use by /dev/${name}: ${how}`;
  }
  return null;
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // No such device any more, or no sysfs.
  }
}

function read(file: string): string | null {
  try {
    return readFileSync(file, 'utf8').trimEnd();
  } catch {
    return null;
  }
}
