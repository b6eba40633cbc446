import { close } from '../sys/libc.js';
import { CachedExports, type CachedHost } from './cached-exports.js';
import type { CacheFigures, Engine, EngineFile, HostStatus, TransferCall } from './engine.js';
import type { NbdEngine } from './nbd-engine.js';
import type { NbdNews } from './nbd-export.js';

/** Handles from here on are exports of NBD servers. A ring has fewer files. */
const FIRST_EXPORT = 1 << 20;
/** Handles from here on are exports with a cache. */
const FIRST_CACHED = 1 << 21;
const OWN_HANDLE = FIRST_EXPORT - 1;

/** The surroundings of the engines. */
export interface ExportsHost extends Pick<CachedHost, 'requests' | 'completed' | 'warn'> {
  /** Makes the engine of exports, when the first one comes. Its results go to `HostEngines.completed`. */
  connect(): NbdEngine;
}

/** Files through one engine, exports of NBD servers through another, and those with a cache through a third. */
export class HostEngines<Files extends Engine> implements Engine {
  readonly files: Files;
  readonly #host: ExportsHost;
  /** Null as long as there was no export. */
  #exports: NbdEngine | null = null;
  #cached: CachedExports | null = null;

  constructor(files: Files, host: ExportsHost) {
    this.files = files;
    this.#host = host;
  }

  add(file: EngineFile): number {
    if (file.nbd === undefined) return this.files.add(file);
    this.#exports ??= this.#host.connect();
    if (file.cache === undefined) return FIRST_EXPORT + this.#exports.add(file);
    const { files } = this;
    this.#cached ??= new CachedExports({ ...this.#host, files, exports: this.#exports });
    return FIRST_CACHED + this.#cached.add(file);
  }

  /** An operation of one of the engines has ended. */
  completed(request: number, result: number): void {
    this.files.ended?.(request);
    if (this.#cached?.completed(request, result) !== true) this.#host.completed(request, result);
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
    this.#of(file).remove(file & OWN_HANDLE);
  }

  links(file: number, length: number): boolean {
    return file < FIRST_EXPORT && this.files.links(file, length);
  }

  addressOf(file: number, offset: number, length: number): number {
    return file < FIRST_EXPORT ? (this.files.addressOf?.(file, offset, length) ?? 0) : 0;
  }

  readonly read: TransferCall = (request, file, address, length, offset, linked) =>
    this.#of(file).read(request, file & OWN_HANDLE, address, length, offset, linked);

  readonly write: TransferCall = (request, file, address, length, offset, linked) =>
    this.#of(file).write(request, file & OWN_HANDLE, address, length, offset, linked);

  flush(request: number, file: number, dataOnly: boolean): number {
    return this.#of(file).flush(request, file & OWN_HANDLE, dataOnly);
  }

  allocate(request: number, file: number, mode: number, offset: number, length: number): number {
    return this.#of(file).allocate(request, file & OWN_HANDLE, mode, offset, length);
  }

  resize(request: number, file: number, size: number): number {
    return this.#of(file).resize(request, file & OWN_HANDLE, size);
  }

  seek(request: number, file: number, offset: number, whence: number): number {
    return this.#of(file).seek(request, file & OWN_HANDLE, offset, whence);
  }

  setTimes(request: number, file: number, times: Uint8Array): number {
    return this.#of(file).setTimes(request, file & OWN_HANDLE, times);
  }

  status(request: number, file: number, status: HostStatus): number {
    return this.#of(file).status(request, file & OWN_HANDLE, status);
  }

  cacheOf(file: number): CacheFigures | null {
    return file < FIRST_CACHED ? null : this.#cached!.cacheOf(file & OWN_HANDLE);
  }

  #of(file: number): Engine {
    if (file < FIRST_EXPORT) return this.files;
    return file < FIRST_CACHED ? this.#exports! : this.#cached!;
  }
}

/** Closes the connections of exports that no engine has taken. */
export function closeExports(files: readonly EngineFile[]): void {
  for (const { nbd } of files) for (const one of nbd?.descriptors ?? []) close(one);
}
