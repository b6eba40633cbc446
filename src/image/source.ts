import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  type Stats,
  statSync,
} from 'node:fs';
import { O_CLOEXEC, O_PATH } from '../sys/constants.js';
import { splitDeviceNumber } from '../util/device-number.js';
import { EXIT_FAILED, EXIT_IMAGE, SluiceError } from '../util/errors.js';
import { SIZE_MAX } from './image.js';

/** A file as the control path reads it: headers and tables, by plain calls that may wait. */
export interface Source {
  /** Bytes. */
  readonly size: number;
  /** `length` bytes from `offset`; what the file lacks is zeros. */
  read(offset: number, length: number): Uint8Array;
}

const SENTENCES: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  ENOTDIR: 'no such file',
  EACCES: 'no permission to read it',
  ELOOP: 'too many symbolic links',
};

/** What a user is told when a host file cannot be reached. */
export function hostError(path: string, error: unknown): SluiceError {
  const { code = 'EIO' } = error as NodeJS.ErrnoException;
  const what = SENTENCES[code] ?? `cannot be opened (${code})`;
  return new SluiceError(`${path}: ${what}`, code, EXIT_FAILED, error);
}

/** What two names of one image have in common: the inode, or the device behind device nodes. */
export function identityOf(path: string): string {
  return identify(statSync(path, { bigint: true }));
}

function identify(stats: BigIntStats): string {
  return stats.isBlockDevice() ? `device ${stats.rdev}` : `file ${stats.dev}:${stats.ino}`;
}

export function tooLarge(path: string): SluiceError {
  const message = `${path}: larger than 2^53 bytes (8 PiB), which this version cannot address`;
  return new SluiceError(message, 'EFBIG', EXIT_IMAGE);
}

/** A regular file or block device, open for reading. */
export class FileSource implements Source {
  readonly path: string;
  readonly descriptor: number;
  readonly blockDevice: boolean;
  /** Tells files apart whatever their names: the device, and the inode on it. */
  readonly identity: string;
  #size: number;
  #allocated: number;

  /** @throws SluiceError exit code 1 if it cannot be opened, 3 if it is no image. */
  constructor(path: string) {
    this.path = path;
    this.descriptor = openRegular(path);
    const stats = fstatSync(this.descriptor);
    this.blockDevice = stats.isBlockDevice();
    this.#size = this.blockDevice ? deviceSize(path, stats.rdev) : stats.size;
    if (this.#size > SIZE_MAX) {
      this.close();
      throw tooLarge(path);
    }
    this.#allocated = this.blockDevice ? this.#size : stats.blocks * 512;
    this.identity = identify(fstatSync(this.descriptor, { bigint: true }));
  }

  /** A path to this very file, whatever its own path leads to by now: to open it again. */
  get link(): string {
    return `/proc/self/fd/${this.descriptor}`;
  }

  /** Does a path lead to this file? */
  isAt(path: string): boolean {
    try {
      return identityOf(path) === this.identity;
    } catch {
      return false;
    }
  }

  /**
   * What is written to a file that has no name any more is lost with the mount.
   *
   * @throws SluiceError ESTALE, exit code 1, if its path leads to another file than when it was opened
   */
  checkName(): void {
    if (this.isAt(this.path)) return;
    const message = `${this.path}: was replaced while it was opened; try again`;
    throw new SluiceError(message, 'ESTALE', EXIT_FAILED);
  }

  get size(): number {
    return this.#size;
  }

  /** Bytes that take room on the host. */
  get allocated(): number {
    return this.#allocated;
  }

  /** The file has been written to: its size may be another. */
  refresh(): void {
    if (this.blockDevice) return;
    const stats = fstatSync(this.descriptor);
    this.#size = stats.size;
    this.#allocated = stats.blocks * 512;
  }

  read(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const got = readSync(this.descriptor, bytes, done, length - done, offset + done);
      if (got === 0) break;
      done += got;
    }
    return bytes;
  }

  close(): void {
    closeSync(this.descriptor);
  }
}

/**
 * Looks before it opens: a pipe without a writer would hang, a tape would rewind, and a watchdog
 * would begin to count.
 */
function openRegular(path: string): number {
  const place = openAs(path, path, O_PATH | O_CLOEXEC);
  let stats: Stats;
  try {
    stats = fstatSync(place);
    if (stats.isFile() || stats.isBlockDevice()) {
      return openAs(path, `/proc/self/fd/${place}`, constants.O_NONBLOCK | O_CLOEXEC);
    }
  } finally {
    closeSync(place);
  }
  const what = stats.isDirectory()
    ? 'a directory, not an image'
    : 'neither a regular file nor a block device';
  throw new SluiceError(`${path}: ${what}`, stats.isDirectory() ? 'EISDIR' : 'EINVAL', EXIT_IMAGE);
}

function openAs(path: string, link: string, flags: number): number {
  try {
    return openSync(link, flags);
  } catch (error) {
    throw hostError(path, error);
  }
}

function deviceSize(path: string, device: number): number {
  const { major, minor } = splitDeviceNumber(device);
  try {
    return Number(readFileSync(`/sys/dev/block/${major}:${minor}/size`, 'utf8')) * 512;
  } catch (error) {
    const message = `${path}: the size of the device is unknown`;
    throw new SluiceError(message, 'ENXIO', EXIT_IMAGE, error);
  }
}
