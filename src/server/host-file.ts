import { constants, fstatSync, statfsSync, statSync } from 'node:fs';
import { type HostTimes, timesOf } from '../host/host-times.js';
import type { FileSource } from '../image/source.js';
import { F_DUPFD_CLOEXEC, F_SETFL, O_CLOEXEC, SEEK_END } from '../sys/constants.js';
import { close, fcntl, lseek, open } from '../sys/libc.js';
import { directIoAlignment } from '../sys/statx.js';
import { ERRNO, errnoName } from '../util/errno.js';
import { EXIT_FAILED, SluiceError } from '../util/errors.js';

/** A host file or block device, open for the data plane. */
export interface HostFile {
  descriptor: number;
  /** Bytes. */
  size: number;
  /** Bytes that take room on the host. */
  allocated: number;
  /** Offsets and lengths of I/O must be multiples of this; 1: any. */
  alignment: number;
  blockDevice: boolean;
  /** On tmpfs or ramfs: reads and writes never wait for a device. */
  inMemory: boolean;
  /** Permission bits. */
  mode: number;
  times: HostTimes;
}

/** f_type of tmpfs and ramfs, statfs(2). */
const IN_MEMORY: ReadonlySet<number> = new Set([0x01021994, 0x858458f6]);

/**
 * Opens again what is open and locked, whatever its path leads to by now.
 *
 * @param direct Bypass the host's page cache, where the file system knows how.
 * @param claimed The descriptor that has a block device for itself. The kernel refuses fallocate(2)
 *   through any other one (EBUSY).
 * @throws SluiceError (EXIT_FAILED) naming the file.
 */
export async function openHostFile(
  { path, link }: FileSource,
  readOnly: boolean,
  direct: boolean,
  claimed: number | null = null,
): Promise<HostFile> {
  const access = (readOnly ? constants.O_RDONLY : constants.O_RDWR) | O_CLOEXEC;
  let alignment = 1;
  const openWith = (flags: number): number =>
    claimed === null ? openQuietly(link, flags) : duplicate(claimed, flags);
  let descriptor = direct ? openWith(access | constants.O_DIRECT) : -ERRNO.EINVAL;
  if (descriptor >= 0) alignment = directAlignment(link, descriptor);
  if (alignment > LARGEST_ALIGNMENT) close(descriptor);
  if (descriptor === -ERRNO.EINVAL || alignment > LARGEST_ALIGNMENT) {
    alignment = 1;
    descriptor = openWith(access);
  }
  if (descriptor < 0) throw openError(path, readOnly, -descriptor);
  const stats = fstatSync(descriptor);
  const size = stats.isBlockDevice() ? await lseek(descriptor, 0, SEEK_END) : stats.size;
  return {
    descriptor,
    size,
    allocated: stats.isBlockDevice() ? size : stats.blocks * 512,
    alignment,
    blockDevice: stats.isBlockDevice(),
    inMemory: isInMemory(link),
    mode: stats.mode & 0o666,
    times: timesOf(fstatSync(descriptor, { bigint: true })),
  };
}

/** Is it a file on a file system in memory? (The nodes of devices are, too: /dev is one.) */
function isInMemory(path: string): boolean {
  return statSync(path).isFile() && IN_MEMORY.has(statfsSync(path).type);
}

/** A descriptor of the same open file, which from now on has O_DIRECT as `flags` have. */
function duplicate(descriptor: number, flags: number): number {
  const result = fcntl(descriptor, F_SETFL, flags & constants.O_DIRECT);
  return result < 0 ? result : fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
}

/** Without access times, which cost each read of a file in memory 2 %; the owner alone may do so. */
function openQuietly(path: string, flags: number): number {
  const descriptor = open(path, flags | constants.O_NOATIME, 0);
  return descriptor === -ERRNO.EPERM ? open(path, flags, 0) : descriptor;
}

/** A page: what the data plane's buffers are aligned to, and safe where nothing is known. */
const LARGEST_ALIGNMENT = 4096;

/**
 * What a direct descriptor asks for: 1 in memory, else what the file system says (statx, Linux 6.1),
 * else a page. Trying it out tells nothing: ext4 reads a hole at any length and offset.
 * @returns Infinity if the file system says that it cannot.
 */
function directAlignment(path: string, descriptor: number): number {
  if (isInMemory(path)) return 1;
  const told = directIoAlignment(descriptor);
  if (told === undefined) return LARGEST_ALIGNMENT;
  return told === 0 ? Number.POSITIVE_INFINITY : told;
}

export function openError(path: string, readOnly: boolean, errno: number): SluiceError {
  const why =
    errno === ERRNO.ENOENT
      ? 'no such file'
      : errno === ERRNO.ETXTBSY
        ? 'in use as swap space or as a program that runs'
        : errno === ERRNO.EACCES || errno === ERRNO.EROFS
          ? `no permission to ${readOnly ? 'read it' : 'write it; use --read-only'}`
          : errno === ERRNO.EBUSY
            ? 'in use by somebody else'
            : `cannot be opened: ${errnoName(errno)}`;
  return new SluiceError(`${path}: ${why}`, errnoName(errno), EXIT_FAILED);
}
