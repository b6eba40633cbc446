import { constants, fstatSync, statfsSync, statSync } from 'node:fs';
import { F_DUPFD_CLOEXEC, F_SETFL, O_CLOEXEC } from '../sys/constants.js';
import { close, fcntl, open } from '../sys/libc.js';
import { directIoAlignment } from '../sys/statx.js';
import { ERRNO, errnoName } from '../util/errno.js';
import { fileError, forFile } from './file-errors.js';
import { type HostTimes, timesOf } from './host-times.js';
import type { NbdExport, NbdOptions } from './nbd-export.js';
import type { OpenFile } from './open-file.js';

/** A host file or block device, open for the data plane. Plain data. */
export interface ServedFile {
  descriptor: number;
  /** Bytes. */
  size: number;
  /** Bytes that take room on the host. */
  allocated: number;
  /** Offsets and lengths of I/O must be multiples of this, 1 to 4096 bytes. */
  alignment: number;
  blockDevice: boolean;
  /** Number (dev_t) of the device that it is on, or is. */
  device: number;
  /** On tmpfs or ramfs: reads and writes never wait for a device. */
  inMemory: boolean;
  /** Permission bits. */
  mode: number;
  times: HostTimes;
  /** An export of an NBD server, which has no descriptor (-1); missing: a file. */
  nbd?: NbdExport;
}

/** How a host file is to be opened for the data plane. */
export interface ServedAs {
  readOnly: boolean;
  /**
   * Bypass the host's page cache where the file system knows how, with blocks of at most this many bytes.
   * 0: never.
   */
  directBlock: number;
  /** What is not a file of this host cannot do without blocks: of at most this many bytes. 0: none. */
  largestBlock: number;
  nbd: NbdOptions;
}

/** f_type of tmpfs and ramfs, statfs(2). */
const IN_MEMORY: ReadonlySet<number> = new Set([0x01021994, 0x858458f6]);

/** A page: the alignment of the data plane's buffers, and the safe choice where none is known. */
export const LARGEST_BLOCK = 4096;

/**
 * Opens a file once more, for the data plane.
 *
 * @param claim The descriptor that has a block device for itself. The kernel refuses fallocate(2)
 *   through any other one (EBUSY).
 * @throws SluiceError exit code 1
 */
export function openServed(
  file: OpenFile,
  { readOnly, directBlock }: Pick<ServedAs, 'readOnly' | 'directBlock'>,
  claim: number,
): ServedFile {
  const { path, link, size, allocated, blockDevice } = file;
  const access = (readOnly ? constants.O_RDONLY : constants.O_RDWR) | O_CLOEXEC;
  let alignment = 1;
  const openWith = (flags: number): number =>
    claim < 0 ? openQuietly(link, flags) : duplicate(claim, flags);
  let descriptor = directBlock > 0 ? openWith(access | constants.O_DIRECT) : -ERRNO.EINVAL;
  if (descriptor >= 0) alignment = directAlignment(link, descriptor);
  const isTooLarge = alignment > Math.min(directBlock, LARGEST_BLOCK);
  if (descriptor >= 0 && isTooLarge) close(descriptor);
  if (descriptor === -ERRNO.EINVAL || isTooLarge) {
    alignment = 1;
    descriptor = openWith(access);
  }
  if (descriptor < 0) throw fileError(path, readOnly ? 'read' : 'write', errnoName(descriptor));
  try {
    const stats = forFile(path, 'read', () => fstatSync(descriptor, { bigint: true }));
    return {
      descriptor,
      size,
      allocated,
      alignment,
      blockDevice,
      device: Number(blockDevice ? stats.rdev : stats.dev),
      inMemory: forFile(path, 'read', () => isInMemory(link)),
      mode: Number(stats.mode) & 0o666,
      times: timesOf(stats),
    };
  } catch (error) {
    close(descriptor);
    throw error;
  }
}

/** Is it a file on a file system in memory? (The nodes of devices are, too: /dev is one.) */
function isInMemory(path: string): boolean {
  return statSync(path).isFile() && IN_MEMORY.has(statfsSync(path).type);
}

/** Sets or clears O_DIRECT of an open file as `flags` say; returns a second descriptor of it. */
function duplicate(descriptor: number, flags: number): number {
  const result = fcntl(descriptor, F_SETFL, flags & constants.O_DIRECT);
  return result < 0 ? result : fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
}

/** Without access times, which cost each read of a file in memory 2 %; the owner alone may do so. */
function openQuietly(path: string, flags: number): number {
  const descriptor = open(path, flags | constants.O_NOATIME, 0);
  return descriptor === -ERRNO.EPERM ? open(path, flags, 0) : descriptor;
}

/**
 * Alignment that a direct descriptor asks for: 1 in memory, else the answer of the file system (statx,
 * Linux 6.1), else a page. A trial tells nothing: ext4 reads a hole at any length and offset.
 * @returns Infinity if the file system says that it cannot.
 */
function directAlignment(path: string, descriptor: number): number {
  if (isInMemory(path)) return 1;
  const told = directIoAlignment(descriptor);
  if (told === undefined) return LARGEST_BLOCK;
  return told === 0 ? Number.POSITIVE_INFINITY : told;
}
