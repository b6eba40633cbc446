import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import type { WritableSource } from '../image/qcow2/rebuild-refcounts.js';
import type { FileSource } from '../image/source.js';
import { EXIT_FAILED, SluiceError } from '../util/errors.js';

/** An image that is open, and locked, for changes to its metadata before it is served. */
export class WritableFile implements WritableSource {
  readonly #source: FileSource;
  readonly #descriptor: number;

  /** @throws SluiceError exit code 1 if it cannot be written */
  constructor(source: FileSource) {
    this.#source = source;
    try {
      this.#descriptor = openSync(source.link, 'r+');
    } catch (error) {
      const { code = 'EIO' } = error as NodeJS.ErrnoException;
      const message = `${source.path}: cannot be written (${code}); use --read-only`;
      throw new SluiceError(message, code, EXIT_FAILED, error);
    }
  }

  get size(): number {
    return this.#source.size;
  }

  get allocated(): number {
    return this.#source.allocated;
  }

  read(offset: number, length: number): Uint8Array {
    return this.#source.read(offset, length);
  }

  write(offset: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(this.#descriptor, bytes, done, bytes.length - done, offset + done);
    }
  }

  sync(): void {
    fsyncSync(this.#descriptor);
  }

  close(): void {
    closeSync(this.#descriptor);
    this.#source.refresh();
  }
}
