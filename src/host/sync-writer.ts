import { fdatasyncSync, fsyncSync, ftruncateSync } from 'node:fs';
import { fallocateNow } from '../sys/libc.js';
import { pwrite } from '../sys/transfer.js';
import { ERRNO } from '../util/errno.js';
import type { Engine, EngineFile, HostStatus } from './engine.js';
import { SyncEngine } from './sync-engine.js';

/** Reads and writes of host files by plain calls that wait, for files that nobody serves meanwhile. */
export class SyncWriter implements Engine {
  readonly #reader = new SyncEngine();
  /** By handle. */
  readonly #descriptors: number[] = [];

  /** The file is not an export of an NBD server. */
  add(file: EngineFile): number {
    const handle = this.#reader.add(file);
    this.#descriptors[handle] = file.descriptor;
    return handle;
  }

  remove(file: number): void {
    this.#reader.remove(file);
    delete this.#descriptors[file];
  }

  links(): boolean {
    return false;
  }

  read(request: number, file: number, address: number, length: number, offset: number): number {
    return this.#reader.read(request, file, address, length, offset);
  }

  write(_request: number, file: number, address: number, length: number, offset: number): number {
    return pwrite(this.#descriptors[file]!, address, length, offset);
  }

  flush(_request: number, file: number, dataOnly: boolean): number {
    return resultOf(() => (dataOnly ? fdatasyncSync : fsyncSync)(this.#descriptors[file]!));
  }

  allocate(_request: number, file: number, mode: number, offset: number, length: number): number {
    return fallocateNow(this.#descriptors[file]!, mode, offset, length);
  }

  resize(_request: number, file: number, size: number): number {
    return resultOf(() => ftruncateSync(this.#descriptors[file]!, size));
  }

  seek(request: number, file: number, offset: number, whence: number): number {
    return this.#reader.seek(request, file, offset, whence);
  }

  /** Nobody who writes so sets times. */
  setTimes(): number {
    return -ERRNO.EOPNOTSUPP;
  }

  status(request: number, file: number, status: HostStatus): number {
    return this.#reader.status(request, file, status);
  }
}

/** 0, or -errno of what a call of Node.js throws. */
function resultOf(call: () => void): number {
  try {
    call();
    return 0;
  } catch (error) {
    return (error as NodeJS.ErrnoException).errno ?? -ERRNO.EIO;
  }
}
