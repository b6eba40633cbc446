import { closeSync, fsyncSync, ftruncateSync, openSync, rmSync, writeSync } from 'node:fs';
import { asFileError, forFile } from './file-errors.js';
import type { OpenFile, WritableFile } from './open-file.js';

/** Changes to a host file before it is served. Its size is the one at the beginning, until `close`. */
export class FileEdit implements WritableFile {
  readonly #file: OpenFile;
  readonly #descriptor: number;

  /** @throws SluiceError exit code 1 if the file cannot be written */
  constructor(file: OpenFile) {
    this.#file = file;
    try {
      this.#descriptor = openSync(file.link, 'r+');
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
    forFile(this.path, 'written', () => writeAll(this.#descriptor, offset, bytes));
  }

  sync(): void {
    forFile(this.path, 'flushed', () => fsyncSync(this.#descriptor));
  }

  /** Ends the changes: the host file has its new size. */
  close(): void {
    closeSync(this.#descriptor);
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
 * @param path Must not exist.
 * @param size Bytes; zeros but for the pieces.
 * @param pieces Written in this order.
 * @throws SluiceError exit code 1
 */
export function makeFile(path: string, size: number, pieces: readonly Piece[]): void {
  let descriptor = -1;
  try {
    descriptor = openSync(path, 'wx', 0o644);
    ftruncateSync(descriptor, size);
    for (const { offset, bytes } of pieces) writeAll(descriptor, offset, bytes);
    fsyncSync(descriptor);
  } catch (error) {
    if (descriptor >= 0) rmSync(path, { force: true });
    throw asFileError(path, 'make', error);
  } finally {
    if (descriptor >= 0) closeSync(descriptor);
  }
}

function writeAll(descriptor: number, offset: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(descriptor, bytes, done, bytes.length - done, offset + done);
  }
}
