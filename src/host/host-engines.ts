import { close } from '../sys/libc.js';
import type { Engine, EngineFile, HostStatus, TransferCall } from './engine.js';
import type { NbdEngine } from './nbd-engine.js';
import type { NbdNews } from './nbd-export.js';

/** Handles from here on are exports of NBD servers. A ring has fewer files. */
const FIRST_EXPORT = 1 << 20;

/** Files through one engine, and exports of NBD servers through another. */
export class HostEngines<Files extends Engine> implements Engine {
  readonly files: Files;
  readonly #connect: () => NbdEngine;
  /** Null as long as there was no export. */
  #exports: NbdEngine | null = null;

  /** @param connect Makes the engine of exports, when the first one comes. */
  constructor(files: Files, connect: () => NbdEngine) {
    this.files = files;
    this.#connect = connect;
  }

  add(file: EngineFile): number {
    if (file.nbd === undefined) return this.files.add(file);
    this.#exports ??= this.#connect();
    return FIRST_EXPORT + this.#exports.add(file);
  }

  /** Requests that NBD servers have. */
  get exportsUnderWay(): number {
    return this.#exports?.underWay ?? 0;
  }

  /** Sends servers what the turn has queued. */
  unplugExports(): void {
    this.#exports?.unplug();
  }

  /** Leaves all servers. Call it when nothing is under way. */
  removeExports(): void {
    this.#exports?.removeAll();
  }

  /** The answer to a connection that was lost. */
  told(news: NbdNews): void {
    this.#exports!.told(news);
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
    return file < FIRST_EXPORT ? this.files : this.#exports!;
  }
}

/** Closes the connections of exports that no engine has taken. */
export function closeExports(files: readonly EngineFile[]): void {
  for (const { nbd } of files) for (const one of nbd?.descriptors ?? []) close(one);
}
