import {
  accessSync,
  type BigIntStats,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  openSync,
  readlinkSync,
  readSync,
  realpathSync,
  type Stats,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { F_DUPFD_CLOEXEC, MFD_CLOEXEC, O_CLOEXEC, O_PATH } from '../sys/constants.js';
import { close, fallocateNow, fcntl, memfdCreate } from '../sys/libc.js';
import { errnoName } from '../util/errno.js';
import { EXIT_FAILED, EXIT_IMAGE, SluiceError } from '../util/errors.js';
import { SIZE_MAX } from '../util/units.js';
import { deviceSize, logicalBlockSize } from './block-device.js';
import { claimForWriting, describeUse } from './device-use.js';
import { FileEdit } from './file-edit.js';
import { asFileError, fileError, forFile } from './file-errors.js';
import { lockAlso, lockFile } from './file-locks.js';
import type { WaitingExport } from './nbd-waiting.js';
import type { OpenFile } from './open-file.js';
import { openServed, type ServedAs, type ServedFile } from './served-file.js';

/**
 * What keeps a file for one mount, whatever process serves it: descriptors that go from a daemon to the one that
 * takes its place. Plain data.
 */
export interface Hold {
  identity: string;
  /** As it was opened; the file may have lost this name. */
  path: string;
  /** The format that the file is read as, whatever is written to it; null: it is a data file. */
  format: string | null;
  /** Has the locks of the mount. */
  descriptor: number;
  /** Has a block device for itself; -1 without one. */
  claim: number;
  /** A file in memory, with what a daemon has to leave to the next one; -1 without one. */
  memory: number;
}

/** A regular file or block device of the host, open for reading until it is closed. */
export class LocalFile implements OpenFile {
  readonly path: string;
  readonly descriptor: number;
  readonly blockDevice: boolean;
  /** The same for all names of a file: the device, or the inode. */
  readonly identity: string;
  /** Only exports of NBD servers have it. */
  readonly waiting: WaitingExport | undefined = undefined;
  #size = 0;
  #allocated = 0;
  /** Has a block device for itself; -1 without one. */
  #claim = -1;
  /** A file in memory that passes from one daemon to the next; -1 without one. */
  #memory = -1;
  /** Has the locks that pass from one daemon to the next; -1 before `lock`. */
  #holder = -1;
  /** The use that it is locked for. */
  #locked: 'reading' | 'writing' | null = null;
  /** The kernel has it, and keeps its locks; -1 without one. */
  #backing = -1;
  /** It was opened by its hold, and not by its path. */
  readonly #isHeld: boolean;
  /** All descriptors of this file. */
  readonly #descriptors: number[] = [];

  /**
   * @param hold What keeps it for this mount already: the very file is opened, wherever the path leads by now.
   * @throws SluiceError exit code 1 if it cannot be opened, 3 if it can be no image.
   */
  constructor(path: string, hold: Hold | null = null) {
    this.path = path;
    this.#isHeld = hold !== null;
    this.descriptor = this.#keep(hold === null ? openRegular(path) : openHeld(path, hold));
    try {
      const stats = forFile(path, 'read', () => fstatSync(this.descriptor, { bigint: true }));
      this.blockDevice = stats.isBlockDevice();
      this.identity = identify(stats);
      this.refresh();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Bytes, as of the last `refresh`. */
  get size(): number {
    return this.#size;
  }

  /** Bytes that take room on the host, as of the last `refresh`. */
  get allocated(): number {
    return this.#allocated;
  }

  /** Permission bits for reading and writing. */
  get mode(): number {
    return forFile(this.path, 'read', () => fstatSync(this.descriptor)).mode & 0o666;
  }

  get link(): string {
    return `/proc/self/fd/${this.descriptor}`;
  }

  /** Bytes of a logical block of the disk below, which O_DIRECT must keep to; null if unknown. */
  get blockBytes(): number | null {
    const { dev, rdev } = forFile(this.path, 'read', () => fstatSync(this.descriptor));
    return logicalBlockSize(this.blockDevice ? rdev : dev);
  }

  /**
   * Looks again how large the file is.
   *
   * @throws SluiceError EFBIG or ENXIO, exit code 3; an errno of the host, exit code 1
   */
  refresh(): void {
    const stats = forFile(this.path, 'read', () => fstatSync(this.descriptor));
    const size = this.blockDevice ? deviceSize(stats.rdev) : stats.size;
    if (size === null) {
      const message = `${this.path}: the size of the device is unknown`;
      throw new SluiceError(message, 'ENXIO', EXIT_IMAGE);
    }
    if (size > SIZE_MAX) {
      const what = 'larger than 2^53 bytes (8 PiB), which this version cannot address';
      throw new SluiceError(`${this.path}: ${what}`, 'EFBIG', EXIT_IMAGE);
    }
    this.#size = size;
    this.#allocated = this.blockDevice ? size : stats.blocks * 512;
  }

  isAt(path: string): boolean {
    try {
      return identityOf(path) === this.identity;
    } catch {
      return false;
    }
  }

  /**
   * Does this file lie in the folder of another one? Both count by where they really are: a symbolic
   * link leads anywhere. The other one may also be reached through a link that lies here.
   */
  isBeside(other: OpenFile): boolean {
    const folder = dirname(readlinkSync(this.link));
    return (
      folder === dirname(readlinkSync(other.link)) || folder === realpathSync(dirname(other.path))
    );
  }

  /**
   * Refuses a file that has lost its name since it was opened: data written to it would be lost with
   * the mount. One that is held was served without its name already.
   *
   * @throws SluiceError ESTALE, exit code 1, if the path leads to another file now
   */
  checkName(): void {
    if (this.#isHeld || this.isAt(this.path)) return;
    const message = `${this.path}: was replaced while it was opened; try again`;
    throw new SluiceError(message, 'ESTALE', EXIT_FAILED);
  }

  /**
   * Looks for the permission to write the file.
   *
   * @throws SluiceError exit code 1
   */
  checkWritable(): void {
    try {
      accessSync(this.link, constants.W_OK);
    } catch (error) {
      throw asFileError(this.path, 'write', error);
    }
  }

  /** Who else uses it in a way that changes what is read, as words; null: nobody who is known. */
  use(): string | null {
    return describeUse(this);
  }

  /** @throws SluiceError exit code 1 if it cannot be written */
  edit(): Pick<FileEdit, keyof FileEdit> {
    return new FileEdit(this);
  }

  /**
   * Locks the file until it is closed, as QEMU does. For writing, it is held against the kernel's own
   * users too. The size is that of the locked file.
   *
   * @param kept What keeps it for this mount already, and so keeps others off: it is taken over.
   * @throws SluiceError EAGAIN or EBUSY, exit code 3, naming the holder
   */
  lock(forWriting: boolean, kept: Hold | null = null): void {
    // What was opened by the hold is the same open file, so one descriptor is enough.
    const isSame = kept === null || this.#isHeld;
    this.#holder = isSame ? this.descriptor : this.#keep(kept.descriptor);
    if (kept !== null && isSame) close(kept.descriptor);
    if (kept !== null) this.#memory = this.#keep(kept.memory);
    const claim = kept === null ? -1 : this.#keep(kept.claim);
    if (kept === null) lockFile(this, forWriting);
    this.#locked = forWriting ? 'writing' : 'reading';
    if (forWriting) this.#claim = claim >= 0 ? claim : this.#keep(claimForWriting(this));
    this.refresh();
  }

  /** What keeps the file for this mount; null: nothing does. */
  get hold(): Hold | null {
    if (this.#locked === null) return null;
    const { identity, path } = this;
    const others = { claim: this.#claim, memory: this.#memory };
    return { identity, path, format: null, descriptor: this.#holder, ...others };
  }

  /**
   * A file in memory that belongs to the hold: what daemons before have left there, or zeros.
   *
   * @param bytes Its length.
   * @throws SluiceError ENOMEM, EMFILE and others, exit code 1
   */
  keepMemory(bytes: number): number {
    if (this.#memory >= 0) return this.#memory;
    const descriptor = memfdCreate('sluice-image', MFD_CLOEXEC);
    this.#memory = this.#keep(descriptor);
    const error = descriptor < 0 ? descriptor : fallocateNow(descriptor, 0, 0, bytes);
    if (error === 0) return descriptor;
    const errno = errnoName(error);
    throw new SluiceError(`${this.path}: no memory for a keeper: ${errno}`, errno, EXIT_FAILED);
  }

  /**
   * Opens the file once more, for the data plane, until this one is closed. A file that is to be
   * written has been locked for that. The lock lasts until the last request has ended, even if the
   * process is killed before.
   *
   * @throws SluiceError exit code 1
   */
  serve(how: Pick<ServedAs, 'readOnly' | 'directBlock'>): ServedFile {
    this.refresh();
    const served = openServed(this, how, this.#claim);
    this.#keep(served.descriptor);
    if (this.#locked) lockAlso(served.descriptor, this.path, this.#locked === 'writing');
    return served;
  }

  /**
   * Opens the file once more, to be written by the kernel itself. The kernel keeps what it is given open,
   * and so locked, as long as a program has it open, whatever becomes of this process.
   *
   * @throws SluiceError exit code 1
   */
  serveKernel(): number {
    this.#backing = this.#keep(openAs(this.path, this.link, constants.O_RDWR | O_CLOEXEC));
    if (this.#locked) lockAlso(this.#backing, this.path, this.#locked === 'writing');
    return this.#backing;
  }

  read(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    // No file is that long, and Node.js does not take such an offset.
    if (!Number.isSafeInteger(offset + length)) return bytes;
    for (let done = 0; done < length; ) {
      const got = forFile(this.path, 'read', () =>
        readSync(this.descriptor, bytes, done, length - done, offset + done),
      );
      if (got === 0) break;
      done += got;
    }
    return bytes;
  }

  /** All descriptors of this file, the oldest first. */
  get descriptors(): readonly number[] {
    return this.#descriptors;
  }

  /**
   * Descriptors whose locks are to be given up before they are closed, where no request is under way: a
   * ring keeps the descriptors of its requests, and with them the locks, for a while after everything is
   * done. Not that of a file that the kernel writes: a program may still have it open.
   */
  get unlockable(): number[] {
    if (this.#locked === null) return [];
    const others = [this.#backing, this.#memory];
    return this.#descriptors.filter((descriptor) => !others.includes(descriptor));
  }

  /**
   * Closes all descriptors of the file, which ends its locks once no request is under way. A second call
   * does nothing. An error of close(2) does not count: what was synced is there, and nothing else is promised.
   */
  close(): void {
    const own = [this.descriptor, this.#backing];
    for (const descriptor of this.#descriptors.splice(0).reverse()) {
      if (own.includes(descriptor)) closeOpened(descriptor);
      else close(descriptor);
    }
  }

  #keep(descriptor: number): number {
    if (descriptor >= 0) this.#descriptors.push(descriptor);
    return descriptor;
  }
}

/** Do two paths lead to one file? Where one leads nowhere, the names decide. */
export function isSameFile(one: string, other: string): boolean {
  try {
    return identityOf(one) === identityOf(other);
  } catch {
    return one === other;
  }
}

/** The same for all names of a file: the inode, or the device behind device nodes. */
function identityOf(path: string): string {
  return identify(statSync(path, { bigint: true }));
}

function identify(stats: BigIntStats): string {
  return stats.isBlockDevice() ? `device ${stats.rdev}` : `file ${stats.dev}:${stats.ino}`;
}

/**
 * Looks before it opens: a pipe without a writer would hang, a tape would rewind, and a watchdog
 * would begin to count.
 */
function openRegular(path: string): number {
  const place = openAs(path, path, O_PATH | O_CLOEXEC);
  let stats: Stats;
  try {
    stats = forFile(path, 'read', () => fstatSync(place));
    if (stats.isFile() || stats.isBlockDevice()) {
      return openAs(path, `/proc/self/fd/${place}`, constants.O_NONBLOCK | O_CLOEXEC);
    }
  } finally {
    closeSync(place);
  }
  const what = stats.isDirectory() ? directory(path) : 'neither a regular file nor a block device';
  throw new SluiceError(`${path}: ${what}`, stats.isDirectory() ? 'EISDIR' : 'EINVAL', EXIT_IMAGE);
}

/**
 * The very file, also if it is deleted, renamed, or no more to be read. A daemon has as many descriptors as the one before: one
 * that has all that it may have can be followed.
 */
function openHeld(path: string, hold: Hold): number {
  const descriptor = fcntl(hold.descriptor, F_DUPFD_CLOEXEC, 0);
  if (descriptor < 0) throw fileError(path, 'read', errnoName(descriptor));
  return descriptor;
}

/** A disk of Parallels is one, and the file that stands for it has the same name in each. */
function directory(path: string): string {
  const descriptor = join(path, 'DiskDescriptor.xml');
  const advice = existsSync(descriptor) ? `; the disk in it is ${descriptor}` : '';
  return `a directory, not an image${advice}`;
}

/**
 * Closes what `openAs` has opened. Node.js keeps account of such descriptors for a worker thread of a program, and closes
 * them again when that ends, if they were closed behind its back: then they are somebody else's.
 */
function closeOpened(descriptor: number): void {
  try {
    closeSync(descriptor);
  } catch {
    // See `close`.
  }
}

function openAs(path: string, link: string, flags: number): number {
  try {
    return openSync(link, flags);
  } catch (error) {
    throw asFileError(path, 'read', error);
  }
}
