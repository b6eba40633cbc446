import { type Memory, RECEIVE_BYTES, SLOT_REQUEST, slotOffset } from '../buffers/memory.js';
import * as abi from '../uring/abi.js';
import type { Ring } from '../uring/ring.js';
import { TAG_IGNORE, TAG_RECEIVE, TAG_REPLY } from '../uring/tags.js';
import { ERRNO } from '../util/errno.js';
import type { Transport } from './transport.js';

/** Receives queued in one turn at most. */
const BATCH = 32;

/**
 * /dev/fuse through the ring. The descriptor is O_NONBLOCK, so a READ takes a request that is there
 * or ends at once with EAGAIN.
 *
 * One chain POLL_ADD -> READ is always queued: it sleeps until a request comes and brings it in the
 * same system call. After a turn that received n requests there are likely more, so as many READs as
 * that again go down before the chain, where they cost 0.2 us each when there is nothing to take.
 */
export class DeviceSession implements Transport {
  /** Errno with which the kernel ended the session, 0 while it lasts. */
  ended = 0;

  readonly #ring: Ring;
  readonly #file: number;
  readonly #memory: Memory;
  /** READs queued and not completed, the chain's included. */
  #posted = 0;
  /** Slot that the chain reads into. */
  #chained = -1;
  /** Requests received since the last `post`. */
  #received = 0;

  /** @param file Index of /dev/fuse among the ring's registered files. */
  constructor(ring: Ring, file: number, memory: Memory) {
    this.#ring = ring;
    this.#file = file;
    this.#memory = memory;
  }

  /** Queues receives, into at most `slots` slots including those that are queued already. */
  post(slots: number): void {
    if (this.ended !== 0) return;
    const wanted = Math.min(BATCH, this.#received === 0 ? 0 : 2 * this.#received - 1);
    this.#received = 0;
    let room = slots - this.#posted;
    if (this.#chained < 0) room--; // for the chain
    for (let i = 0; i < wanted && i < room; i++) this.#read(this.#memory.takeSlot(), 0);
    if (this.#chained < 0 && room >= 0) this.#chain();
  }

  /**
   * A receive into `slot` has ended.
   * @returns The request's length; 0 if there is none, and then the slot is free again.
   */
  received(slot: number, result: number): number {
    this.#posted--;
    if (slot === this.#chained) this.#chained = -1;
    if (result > 0) {
      this.#received++;
      return result;
    }
    this.#memory.releaseSlot(slot);
    // ENOENT: the caller gave up between the wake-up and the read.
    const passing = result === -ERRNO.EAGAIN || result === -ERRNO.EINTR || result === -ERRNO.ENOENT;
    if (!passing) this.ended = result === 0 ? ERRNO.ENODEV : -result;
    return 0;
  }

  reply(request: number, offset: number, length: number): void {
    const address = this.#memory.address + offset;
    const tag = TAG_REPLY | request;
    this.#ring.queue(abi.OP_WRITE, abi.SQE_FIXED_FILE, this.#file, address, length, 0, 0, tag);
  }

  #chain(): void {
    this.#ring.reserve(2);
    const flags = abi.SQE_FIXED_FILE | abi.SQE_IO_LINK | abi.SQE_CQE_SKIP_SUCCESS;
    this.#ring.queue(abi.OP_POLL_ADD, flags, this.#file, 0, 0, 0, abi.POLLIN, TAG_IGNORE);
    this.#chained = this.#memory.takeSlot();
    this.#read(this.#chained, 0);
  }

  #read(slot: number, flags: number): void {
    const address = this.#memory.address + slotOffset(slot) + SLOT_REQUEST;
    const file = abi.SQE_FIXED_FILE | flags;
    const tag = TAG_RECEIVE | slot;
    this.#ring.queue(abi.OP_READ, file, this.#file, address, RECEIVE_BYTES, 0, 0, tag);
    this.#posted++;
  }
}
