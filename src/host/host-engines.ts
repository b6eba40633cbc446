import type { Engine, EngineFile, HostStatus, TransferCall } from './engine.js';
import type { NbdEngine } from './nbd-engine.js';

/** Handles from here on are exports of NBD servers. A ring has fewer files. */
const FIRST_EXPORT = 1 << 20;

/** Files through one engine, and exports of NBD servers through another. */
export class HostEngines<Files extends Engine> implements Engine {
  readonly files: Files;
  readonly exports: NbdEngine;

  constructor(files: Files, exports: NbdEngine) {
    this.files = files;
    this.exports = exports;
  }

  add(file: EngineFile): number {
    if (file.nbd === undefined) return this.files.add(file);
    return FIRST_EXPORT + this.exports.add(file);
  }

  remove(file: number): void {
    this.#of(file).remove(file & ~FIRST_EXPORT);
  }

  links(file: number, length: number): boolean {
    return file < FIRST_EXPORT && this.files.links(file, length);
  }

  readonly read: TransferCall = (request, file, address, length, offset, linked) =>
    this.#of(file).read(request, file & ~FIRST_EXPORT, address, length, offset, linked);

  readonly write: TransferCall = (request, file, address, length, offset, linked) =>
    this.#of(file).write(request, file & ~FIRST_EXPORT, address, length, offset, linked);

  flush(request: number, file: number, dataOnly: boolean): number {
    return this.#of(file).flush(request, file & ~FIRST_EXPORT, dataOnly);
  }

  allocate(request: number, file: number, mode: number, offset: number, length: number): number {
    return this.#of(file).allocate(request, file & ~FIRST_EXPORT, mode, offset, length);
  }

  resize(request: number, file: number, size: number): number {
    return this.#of(file).resize(request, file & ~FIRST_EXPORT, size);
  }

  seek(request: number, file: number, offset: number, whence: number): number {
    return this.#of(file).seek(request, file & ~FIRST_EXPORT, offset, whence);
  }

  setTimes(request: number, file: number, times: Uint8Array): number {
    return this.#of(file).setTimes(request, file & ~FIRST_EXPORT, times);
  }

  status(request: number, file: number, status: HostStatus): number {
    return this.#of(file).status(request, file & ~FIRST_EXPORT, status);
  }

  #of(file: number): Engine {
    return file < FIRST_EXPORT ? this.files : this.exports;
  }
}

/** Is any of these an export? */
export function hasExports(images: readonly { files: readonly EngineFile[] }[]): boolean {
  return images.some(({ files }) => files.some(({ nbd }) => nbd !== undefined));
}
