import { ftruncate, futimens, lseek } from '../sys/libc.js';
import { pread, pwrite } from '../sys/transfer.js';
import * as abi from '../uring/abi.js';
import type { RingQueue } from '../uring/ring.js';
import { TAG_IO } from '../uring/tags.js';
import {
  type Engine,
  type EngineFile,
  type HostStatus,
  PENDING,
  statusNow,
  type TransferCall,
} from './engine.js';
import type { MappedFiles } from './mapped-files.js';

/**
 * Up to this length a file in memory is read and written by a plain system call. tmpfs cannot say "I
 * would have to wait", so io_uring hands each of its transfers to a kernel worker thread. At 4 KiB that
 * costs more than the copy; above this length a second thread that copies is worth it.
 */
const INLINE_BYTES = 64 << 10;

/**
 * A system call that may wait for a disk and for which io_uring has no operation. It is made outside the
 * data plane's thread.
 */
export type SlowCall = { kind: 'call'; request: number; descriptor: number } & (
  | { call: 'lseek'; offset: number; whence: number }
  | { call: 'ftruncate'; size: number }
  /** Two of struct timespec. */
  | { call: 'futimens'; times: Uint8Array }
);

/** Makes a slow call in libuv's pool. @returns Its result, a number from 0 or -errno. */
export function makeSlowCall(call: SlowCall): Promise<number> {
  const { descriptor } = call;
  if (call.call === 'futimens') return futimens(descriptor, call.times);
  if (call.call === 'ftruncate') return ftruncate(descriptor, call.size);
  return lseek(descriptor, call.offset, call.whence);
}

type Mapped = Pick<MappedFiles, keyof MappedFiles>;

/** Host files through the ring that also carries the requests. */
export class UringEngine implements Engine {
  readonly #ring: RingQueue;
  /** By the file's index among the registered files of the ring, which is its handle. */
  readonly #files: EngineFile[] = [];
  readonly #slowCall: (call: SlowCall) => void;
  readonly #linkedFlags: number;
  readonly #mapped: Mapped | null;

  /**
   * @param slowCall Has a system call made; its result must come through `Plane.completed`.
   * @param isSilent A linked transfer that succeeds makes no completion: the reply behind it does.
   * @param mapped Null: no file is read in place.
   */
  constructor(
    ring: RingQueue,
    slowCall: (call: SlowCall) => void,
    isSilent = true,
    mapped: Mapped | null = null,
  ) {
    this.#ring = ring;
    this.#mapped = mapped;
    this.#slowCall = slowCall;
    this.#linkedFlags = abi.SQE_IO_LINK | (isSilent ? abi.SQE_CQE_SKIP_SUCCESS : 0);
  }

  add(file: EngineFile): number {
    const handle = this.#ring.addFile(file.descriptor);
    this.#files[handle] = file;
    this.#mapped?.add(handle, file);
    return handle;
  }

  remove(file: number): void {
    this.#mapped?.remove(file);
    this.#ring.removeFile(file);
    delete this.#files[file];
  }

  /**
   * Removes all files. Call it when nothing is under way. A ring lets its files go only some time after the
   * process has ended, and until then the file system that they lie on is busy.
   */
  removeAll(): void {
    for (const file of Object.keys(this.#files)) this.remove(Number(file));
  }

  links(file: number, length: number): boolean {
    return length > INLINE_BYTES || !this.#files[file]!.inMemory;
  }

  addressOf(file: number, offset: number, length: number): number {
    return this.#mapped === null ? 0 : this.#mapped.addressOf(file, offset, length);
  }

  /** An operation has ended. */
  ended(request: number): void {
    this.#mapped?.ended(request);
  }

  readonly read: TransferCall = (request, file, address, length, offset, linked) =>
    this.#transfer(abi.OP_READ, request, file, address, length, offset, linked);

  readonly write: TransferCall = (request, file, address, length, offset, linked) => {
    this.#mapped?.written(file, offset, length);
    return this.#transfer(abi.OP_WRITE, request, file, address, length, offset, linked);
  };

  flush(request: number, file: number, dataOnly: boolean): number {
    const flags = dataOnly ? abi.FSYNC_DATASYNC : 0;
    this.#ring.queue(abi.OP_FSYNC, abi.SQE_FIXED_FILE, file, 0, 0, 0, flags, TAG_IO | request);
    return PENDING;
  }

  /** The entry's length field holds the mode, its address field the length. */
  allocate(request: number, file: number, mode: number, offset: number, length: number): number {
    const tag = TAG_IO | request;
    this.#mapped?.takes(request, file, offset, length);
    this.#ring.queue(abi.OP_FALLOCATE, abi.SQE_FIXED_FILE, file, length, mode, offset, 0, tag);
    return PENDING;
  }

  resize(request: number, file: number, size: number): number {
    const { descriptor } = this.#files[file]!;
    this.#mapped?.takes(request, file, size, Number.POSITIVE_INFINITY);
    this.#slowCall({ kind: 'call', call: 'ftruncate', request, descriptor, size });
    return PENDING;
  }

  seek(request: number, file: number, offset: number, whence: number): number {
    const { descriptor } = this.#files[file]!;
    this.#slowCall({ kind: 'call', call: 'lseek', request, descriptor, offset, whence });
    return PENDING;
  }

  setTimes(request: number, file: number, times: Uint8Array): number {
    const { descriptor } = this.#files[file]!;
    this.#slowCall({ kind: 'call', call: 'futimens', request, descriptor, times });
    return PENDING;
  }

  /** fstat of an open local file reads memory (2 us) and never waits for its disk. */
  status(_request: number, file: number, status: HostStatus): number {
    return statusNow(this.#files[file]!.descriptor, status);
  }

  /**
   * A linked transfer that fails or is short makes a completion, and the kernel drops the reply without a
   * word.
   */
  #transfer(
    opcode: number,
    request: number,
    file: number,
    address: number,
    length: number,
    offset: number,
    linked: boolean,
  ): number {
    if (!linked && !this.links(file, length)) {
      const { descriptor } = this.#files[file]!;
      if (opcode === abi.OP_READ) return pread(descriptor, address, length, offset);
      return pwrite(descriptor, address, length, offset);
    }
    let flags = abi.SQE_FIXED_FILE;
    if (linked) {
      flags |= this.#linkedFlags;
      this.#ring.reserve(2);
    }
    this.#ring.queue(opcode, flags, file, address, length, offset, 0, TAG_IO | request);
    return PENDING;
  }
}
