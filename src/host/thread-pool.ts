import { fdatasync, fstat, fsync, read, readv, write, writev } from 'node:fs';
import { fallocate, ftruncate, futimens, lseek } from '../sys/libc.js';
import { bytesAt } from '../sys/memory.js';
import { ERRNO } from '../util/errno.js';
import {
  type Engine,
  type EngineFile,
  fillStatus,
  type HostStatus,
  PENDING,
  type TransferCall,
} from './engine.js';
import type { TransferThread } from './transfer-thread.js';

/** Up to this length one thread copies as fast as several, and the wake-up costs most. */
const SHORT_BYTES = 64 << 10;
/** Most bytes of one merged call. A longer one would keep one thread busy while others have nothing to do. */
const RUN_BYTES = 256 << 10;

/** A transfer that was asked for and is not yet handed over. */
interface Transfer {
  request: number;
  file: number;
  isWrite: boolean;
  address: number;
  length: number;
  /** In the host file. */
  offset: number;
}

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
  /** Transfers of this turn. */
  #batch: Transfer[] = [];
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

  readonly read: TransferCall = (request, file, address, length, offset, linked) =>
    this.#transfer(request, file, false, address, length, offset, linked);

  readonly write: TransferCall = (request, file, address, length, offset, linked) =>
    this.#transfer(request, file, true, address, length, offset, linked);

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
      if (run.length === 1) this.#single(run[0]!);
      else this.#vector(run);
    }
    this.#batch = [];
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
    } else this.#batch.push({ request, file, isWrite, address, length, offset });
    return PENDING;
  }

  #call(request: number, result: Promise<number>): number {
    void result.then((value) => this.#completed(request, value));
    return PENDING;
  }

  #single({ request, file, isWrite, address, length, offset }: Transfer): void {
    const { descriptor } = this.#files[file]!;
    this.#ended[request] ??= (error, bytes) => this.#completed(request, resultOf(error, bytes));
    const ended = this.#ended[request]!;
    const bytes = bytesAt(address, length);
    if (isWrite) write(descriptor, bytes, 0, length, offset, ended);
    else read(descriptor, bytes, 0, length, offset, ended);
  }

  #vector(run: readonly Transfer[]): void {
    const views = run.map(({ address, length }) => bytesAt(address, length));
    const { file, isWrite, offset } = run[0]!;
    const call = isWrite ? writev : readv;
    call(this.#files[file]!.descriptor, views, offset, (error, bytes) => {
      this.#vectorEnded(run, error === null ? bytes : 0);
    });
  }

  /** A transfer that was not whole is made again alone: an error belongs to one request, not to all. */
  #vectorEnded(run: readonly Transfer[], bytes: number): void {
    let done = 0;
    for (const transfer of run) {
      done += transfer.length;
      if (done <= bytes) this.#completed(transfer.request, transfer.length);
      else this.#single(transfer);
    }
  }
}

/**
 * Orders transfers by place, and joins those of one direction that continue one another in a host file.
 * Requests that are in flight together have no order among each other, so the kernel and we may choose one.
 */
export function adjacentRuns(transfers: Transfer[]): Transfer[][] {
  const runs: Transfer[][] = [];
  transfers.sort((a, b) => a.file - b.file || a.offset - b.offset);
  for (const transfer of transfers) {
    const run = runs.at(-1);
    if (run !== undefined && continues(run, transfer)) run.push(transfer);
    else runs.push([transfer]);
  }
  return runs;
}

function continues(run: readonly Transfer[], { file, isWrite, offset, length }: Transfer): boolean {
  const [first] = run as [Transfer, ...Transfer[]];
  const last = run.at(-1)!;
  if (first.file !== file || first.isWrite !== isWrite) return false;
  return last.offset + last.length === offset && offset + length - first.offset <= RUN_BYTES;
}

function resultOf(error: NodeJS.ErrnoException | null, result: number): number {
  return error === null ? result : (error.errno ?? -ERRNO.EIO);
}
