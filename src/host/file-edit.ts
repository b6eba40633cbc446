import {
  chmodSync,
  chownSync,
  closeSync,
  fchmodSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { asFileError, forFile } from './file-errors.js';
import type { OpenFile, WritableFile } from './open-file.js';

/** Changes to a host file before it is served. Its size is the one at the beginning, until `close`. */
export class FileEdit implements WritableFile {
  readonly #file: OpenFile;
  readonly descriptor: number;

  /** @throws SluiceError exit code 1 if the file cannot be written */
  constructor(file: OpenFile) {
    this.#file = file;
    try {
      this.descriptor = openSync(file.link, 'r+');
    } catch (error) {
      throw asFileError(file.path, 'write', error);
    }
  }

  get path(): string {
    return this.#file.path;
  }

  get size(): number {
    return this.#file.size;
  }

  get allocated(): number {
    return this.#file.allocated;
  }

  read(offset: number, length: number): Uint8Array {
    return this.#file.read(offset, length);
  }

  write(offset: number, bytes: Uint8Array): void {
    forFile(this.path, 'written', () => writeAll(this.descriptor, offset, bytes));
  }

  sync(): void {
    forFile(this.path, 'flushed', () => fsyncSync(this.descriptor));
  }

  /** Ends the changes: the host file has its new size. */
  close(): void {
    closeSync(this.descriptor);
    this.#file.refresh();
  }
}

/** Bytes of a new file and where they are. */
export interface Piece {
  offset: number;
  bytes: Uint8Array;
}

/**
 * Makes a file that is on the disk when this ends. One that cannot be written whole is removed.
 *
 * @param path Must not exist, unless `isThere`: then it is of an empty file, which stays in any case.
 * @param size Bytes; zeros but for the pieces.
 * @param pieces Written in this order.
 * @param mode Permission bits, less the umask where the file is made.
 * @throws SluiceError exit code 1
 */
export function makeFile(
  path: string,
  size: number,
  pieces: readonly Piece[],
  mode: number,
  isThere = false,
): void {
  let descriptor = -1;
  try {
    descriptor = openSync(path, isThere ? 'r+' : 'wx', mode);
    if (isThere) fchmodSync(descriptor, mode);
    ftruncateSync(descriptor, size);
    for (const { offset, bytes } of pieces) writeAll(descriptor, offset, bytes);
    fsyncSync(descriptor);
  } catch (error) {
    if (descriptor >= 0 && !isThere) rmSync(path, { force: true });
    throw asFileError(path, 'make', error);
  } finally {
    if (descriptor >= 0) closeSync(descriptor);
  }
}

/**
 * Gives a file the owner, the group and the permissions of another one.
 * @throws SluiceError exit code 1
 */
export function makeAlike(path: string, other: string): void {
  try {
    const { uid, gid, mode } = statSync(other);
    const own = statSync(path);
    if (own.uid !== uid || own.gid !== gid) chownSync(path, uid, gid);
    // Last, because chown(2) takes bits away.
    chmodSync(path, mode & 0o7777);
  } catch (error) {
    throw asFileError(path, 'make', error);
  }
}

/**
 * Puts a file that is on the disk into the place of another one in its folder: at each moment, also after a power
 * cut, the path leads to one of the two.
 *
 * @throws SluiceError exit code 1
 */
export function replaceFile(path: string, by: string): void {
  let folder = -1;
  try {
    renameSync(by, path);
    folder = openSync(dirname(path), 'r');
    fsyncSync(folder);
  } catch (error) {
    throw asFileError(path, 'make', error);
  } finally {
    if (folder >= 0) closeSync(folder);
  }
}

function writeAll(descriptor: number, offset: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(descriptor, bytes, done, bytes.length - done, offset + done);
  }
}
