import { TAG_IO } from '../uring/tags.js';
import * as abi from '../uring/abi.js';
import type { Ring } from '../uring/ring.js';
import type { Engine } from './engine.js';
import type { SlowCalls } from './slow-calls.js';

/** Host files through the ring that also carries the requests. */
export class UringEngine implements Engine {
  readonly links = true;
  readonly #ring: Ring;
  readonly #descriptors: readonly number[];
  readonly #firstFile: number;
  readonly #slowCalls: SlowCalls;

  /**
   * @param descriptors Of the host files, by the engine's index.
   * @param firstFile Index of the first one among the ring's registered files.
   * @param slowCalls What io_uring has no operation for.
   */
  constructor(
    ring: Ring,
    descriptors: readonly number[],
    firstFile: number,
    slowCalls: SlowCalls,
  ) {
    this.#ring = ring;
    this.#descriptors = descriptors;
    this.#firstFile = firstFile;
    this.#slowCalls = slowCalls;
  }

  read(
    request: number,
    file: number,
    address: number,
    length: number,
    offset: number,
    linked: boolean,
  ): void {
    this.#transfer(abi.OP_READ, request, file, address, length, offset, linked);
  }

  write(
    request: number,
    file: number,
    address: number,
    length: number,
    offset: number,
    linked: boolean,
  ): void {
    this.#transfer(abi.OP_WRITE, request, file, address, length, offset, linked);
  }

  flush(request: number, file: number, dataOnly: boolean): void {
    const flags = dataOnly ? abi.FSYNC_DATASYNC : 0;
    const index = this.#firstFile + file;
    this.#ring.queue(abi.OP_FSYNC, abi.SQE_FIXED_FILE, index, 0, 0, 0, flags, TAG_IO | request);
  }

  /** The entry's length field holds the mode, its address field the length. */
  allocate(request: number, file: number, mode: number, offset: number, length: number): void {
    const index = this.#firstFile + file;
    const tag = TAG_IO | request;
    this.#ring.queue(abi.OP_FALLOCATE, abi.SQE_FIXED_FILE, index, length, mode, offset, 0, tag);
  }

  resize(request: number, file: number, size: number): void {
    this.#slowCalls.ftruncate(request, this.#descriptors[file]!, size);
  }

  seek(request: number, file: number, offset: number, whence: number): void {
    this.#slowCalls.lseek(request, this.#descriptors[file]!, offset, whence);
  }

  /**
   * A linked transfer that succeeds makes no completion of its own: the reply behind it does. One
   * that fails or is short makes one, and the kernel drops the reply without a word.
   */
  #transfer(
    opcode: number,
    request: number,
    file: number,
    address: number,
    length: number,
    offset: number,
    linked: boolean,
  ): void {
    let flags = abi.SQE_FIXED_FILE;
    if (linked) {
      flags |= abi.SQE_IO_LINK | abi.SQE_CQE_SKIP_SUCCESS;
      this.#ring.reserve(2);
    }
    const index = this.#firstFile + file;
    this.#ring.queue(opcode, flags, index, address, length, offset, 0, TAG_IO | request);
  }
}
