import { fdatasync, fstat, fsync, read, readv, write, writev } from 'node:fs';
import { fallocate, ftruncate, futimens, lseek } from '../sys/libc.js';
import { bytesAt } from '../sys/memory.js';
import { ERRNO } from '../util/errno.js';
import { type Engine, type EngineFile, fillStatus, type HostStatus, PENDING } from './engine.js';
import { adjacentRuns, Batch, type Run } from './thread-pool-batch.js';
import type { TransferThread } from './transfer-thread.js';

/** Up to this length one thread copies as fast as several, and the wake-up costs most. */
const SHORT_BYTES = 64 << 10;

/**
 * Host files through libuv's thread pool, for machines that forbid io_uring. Requests of a turn are
 * kept until `unplug`, where transfers that continue each other become one readv(2) or writev(2).
 * The calling thread makes no call that may wait: not even for metadata. Addresses are of mappings
 * of the calling thread.
 */
export class ThreadPoolEngine implements Engine {
  readonly #files: EngineFile[] = [];
  readonly #unused: number[] = [];
  readonly #transfers: TransferThread | null;
  readonly #completed: (request: number, result: number) => void;
  readonly #batch = new Batch();
  /** One callback a request, made at its first transfer and used again. */
  readonly #ended: ((error: NodeJS.ErrnoException | null, bytes: number) => void)[] = [];

  /**
   * @param transfers Makes the transfers of files in memory; null: the pool does.
   * @param completed Called with each operation's result, never from within the call that began it.
   */
  constructor(
    transfers: TransferThread | null,
    completed: (request: number, result: number) => void,
  ) {
    this.#transfers = transfers;
    this.#completed = completed;
  }

  add(file: EngineFile): number {
    const handle = this.#unused.pop() ?? this.#files.length;
    this.#files[handle] = file;
    return handle;
  }

  remove(file: number): void {
    delete this.#files[file];
    this.#unused.push(file);
  }

  /** The thread for files in memory can wake the thread that waits for a reply; the pool knows of no replies. */
  links(file: number, length: number): boolean {
    return this.#transfers?.canReply === true && this.#isForThread(file, length);
  }

  read(
    request: number,
    file: number,
    address: number,
    length: number,
    offset: number,
    linked = false,
  ): number {
    return this.#transfer(request, file, false, address, length, offset, linked);
  }

  write(
    request: number,
    file: number,
    address: number,
    length: number,
    offset: number,
    linked = false,
  ): number {
    return this.#transfer(request, file, true, address, length, offset, linked);
  }

  flush(request: number, file: number, dataOnly: boolean): number {
    const call = dataOnly ? fdatasync : fsync;
    call(this.#files[file]!.descriptor, (error) => this.#completed(request, resultOf(error, 0)));
    return PENDING;
  }

  allocate(request: number, file: number, mode: number, offset: number, length: number): number {
    return this.#call(request, fallocate(this.#files[file]!.descriptor, mode, offset, length));
  }

  resize(request: number, file: number, size: number): number {
    return this.#call(request, ftruncate(this.#files[file]!.descriptor, size));
  }

  seek(request: number, file: number, offset: number, whence: number): number {
    return this.#call(request, lseek(this.#files[file]!.descriptor, offset, whence));
  }

  setTimes(request: number, file: number, times: Uint8Array): number {
    return this.#call(request, futimens(this.#files[file]!.descriptor, times));
  }

  status(request: number, file: number, status: HostStatus): number {
    fstat(this.#files[file]!.descriptor, { bigint: true }, (error, stats) => {
      if (error === null) fillStatus(status, stats);
      this.#completed(request, resultOf(error, 0));
    });
    return PENDING;
  }

  /** Hands over everything that was asked for since the last call. */
  unplug(): void {
    this.#transfers?.wake();
    for (const run of adjacentRuns(this.#batch)) {
      if (run.requests.length === 1) this.#single(run, 0);
      else this.#vector(run);
    }
    this.#batch.clear();
  }

  #isForThread(file: number, length: number): boolean {
    if (this.#transfers === null || length > SHORT_BYTES) return false;
    return this.#files[file]!.inMemory && this.#transfers.hasRoom;
  }

  #transfer(
    request: number,
    file: number,
    isWrite: boolean,
    address: number,
    length: number,
    offset: number,
    linked: boolean,
  ): number {
    if (this.#isForThread(file, length)) {
      const { descriptor } = this.#files[file]!;
      this.#transfers!.give(request, isWrite, descriptor, address, length, offset, linked);
    } else this.#batch.add(request, file, isWrite, address, length, offset);
    return PENDING;
  }

  #call(request: number, result: Promise<number>): number {
    void result.then((value) => this.#completed(request, value));
    return PENDING;
  }

  #single(run: Run, index: number): void {
    const request = run.requests[index]!;
    const length = run.lengths[index]!;
    const bytes = bytesAt(run.addresses[index]!, length);
    const { descriptor } = this.#files[run.file]!;
    const offset = run.offsets[index]!;
    const ended = this.#callback(request);
    if (run.writes) write(descriptor, bytes, 0, length, offset, ended);
    else read(descriptor, bytes, 0, length, offset, ended);
  }

  #callback(request: number): (error: NodeJS.ErrnoException | null, bytes: number) => void {
    this.#ended[request] ??= (error, bytes) => this.#completed(request, resultOf(error, bytes));
    return this.#ended[request]!;
  }

  #vector(run: Run): void {
    const views = run.addresses.map((address, i) => bytesAt(address, run.lengths[i]!));
    const call = run.writes ? writev : readv;
    const { descriptor } = this.#files[run.file]!;
    call(descriptor, views, run.offsets[0]!, (error, bytes) => {
      this.#vectorEnded(run, error === null ? bytes : 0);
    });
  }

  /** A transfer that was not whole is made again alone: an error belongs to one request, not to all. */
  #vectorEnded(run: Run, bytes: number): void {
    let done = 0;
    for (const [index, request] of run.requests.entries()) {
      const length = run.lengths[index]!;
      done += length;
      if (done <= bytes) this.#completed(request, length);
      else this.#single(run, index);
    }
  }
}

function resultOf(error: NodeJS.ErrnoException | null, result: number): number {
  return error === null ? result : (error.errno ?? -ERRNO.EIO);
}
