import {
  type Memory,
  RECEIVE_BYTES,
  REQUESTS,
  SLOT_REQUEST,
  slotOffset,
} from '../buffers/memory.js';
import { mapAnonymous } from '../sys/memory.js';
import * as abi from '../uring/abi.js';
import type { Ring } from '../uring/ring.js';
import { TAG_RECEIVE, TAG_REPLY, TAG_SENT } from '../uring/tags.js';
import { ERRNO, errnoName } from '../util/errno.js';
import * as fuse from './abi.js';
import type { Wire } from './dispatch.js';
import { writeReplyHeader } from './wire.js';

/**
 * Replies whose ids are remembered after they were handed to the kernel; a power of two. One that the
 * kernel refuses is known by the end of its submission, which carries fewer.
 */
const PLACES = 4096;
/** Error replies that wait for one submission at most. */
const ERROR_REPLIES = 256;

/** Receives queued at most: more per turn gain nothing measurable. */
const MOST_RECEIVES = 32;

/**
 * /dev/fuse through the ring. The descriptor is O_NONBLOCK, so a queued READ takes a request that is
 * there; otherwise the ring itself polls, and the READ takes the request that comes next, in the same
 * system call that waits for it.
 *
 * Every request wakes all READs that are queued, and one of them takes it. So there should be as many
 * as requests come in one turn, and no more: a turn that used all of them doubles their number, a turn
 * that left some does not refill beyond what it used.
 */
export class DeviceSession implements Wire {
  /** Errno with which the kernel ended the session, 0 while it lasts. */
  ended = 0;

  /** Requests whose replies leave with the next submission: the first `sentCount`. */
  readonly sent = new Int32Array(REQUESTS);
  sentCount = 0;

  /** The ids of the replies sent last, by place. */
  readonly #sentLow = new Uint32Array(PLACES);
  readonly #sentHigh = new Uint32Array(PLACES);
  #nextPlace = 0;
  /** Headers of replies of our own, for requests whose reply was refused. */
  readonly #errors = mapAnonymous(ERROR_REPLIES * fuse.OUT_HEADER_BYTES);
  #nextError = 0;
  readonly #warn: (text: string) => void;
  readonly #ring: Ring;
  readonly #file: number;
  readonly #memory: Memory;
  /** READs queued and not completed. */
  #posted = 0;
  /** Requests received since the last `post`. */
  #received = 0;

  /** @param file Index of /dev/fuse among the ring's registered files. */
  constructor(ring: Ring, file: number, memory: Memory, warn: (text: string) => void) {
    this.#warn = warn;
    this.#ring = ring;
    this.#file = file;
    this.#memory = memory;
  }

  /** Queues receives, so that at most `slots` slots are in use for that. */
  post(slots: number): void {
    if (this.ended !== 0) return;
    const usedUp = this.#posted === 0;
    const wanted = Math.max(1, usedUp ? 2 * this.#received : this.#received);
    const target = Math.min(wanted, MOST_RECEIVES, slots);
    this.#received = 0;
    while (this.#posted < target) this.#read(this.#memory.takeSlot());
  }

  /**
   * A receive into `slot` has ended.
   * @returns The request's length; 0 if there is none, and then the slot is free again.
   */
  received(slot: number, result: number): number {
    this.#posted--;
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

  /**
   * A reply of its own is carried out while it is submitted, as /dev/fuse never makes a writer wait: it
   * asks for no completion and counts as sent after the submission. That saves a completion for each
   * request, and at queue depth 1 every second system call.
   */
  send(request: number, offset: number, length: number, linked: boolean): void {
    const address = this.#memory.address + offset;
    if (!linked) this.sent[this.sentCount++] = request;
    const flags = linked ? abi.SQE_FIXED_FILE : abi.SQE_FIXED_FILE | abi.SQE_CQE_SKIP_SUCCESS;
    const tag = linked ? TAG_REPLY | request : TAG_SENT | this.#remember(offset);
    this.#ring.queue(abi.OP_WRITE, flags, this.#file, address, length, 0, 0, tag);
  }

  /** A reply that is not linked failed. @param place What its tag has. */
  sendFailed(place: number, result: number): void {
    if (place < PLACES) this.replyFailed(this.#sentLow[place]!, this.#sentHigh[place]!, result);
  }

  /**
   * The kernel did not take the reply to a request. Its caller may be gone (interrupted or aborted), or
   * the session; anything else is a mistake of ours, and the caller would hang: it gets EIO.
   */
  replyFailed(uniqueLow: number, uniqueHigh: number, result: number): void {
    if (result === -ERRNO.ENOENT) return;
    if (result === -ERRNO.ENODEV || result === -ERRNO.EPERM) {
      this.ended = -result;
      return;
    }
    this.#warn(`the kernel refused a reply (${errnoName(result)}); its caller gets EIO`);
    const at = (this.#nextError++ % ERROR_REPLIES) * fuse.OUT_HEADER_BYTES;
    const view = new DataView(this.#errors.buffer, at, fuse.OUT_HEADER_BYTES);
    writeReplyHeader(view, 0, uniqueLow, uniqueHigh, -ERRNO.EIO, 0);
    // Should this be refused too, there is nothing left to say: no place.
    const flags = abi.SQE_FIXED_FILE | abi.SQE_CQE_SKIP_SUCCESS;
    const address = this.#errors.address + at;
    const tag = TAG_SENT | PLACES;
    this.#ring.queue(abi.OP_WRITE, flags, this.#file, address, fuse.OUT_HEADER_BYTES, 0, 0, tag);
  }

  #remember(header: number): number {
    const place = this.#nextPlace++ & (PLACES - 1);
    const { words } = this.#memory;
    this.#sentLow[place] = words[(header + fuse.OUT_UNIQUE) >> 2]!;
    this.#sentHigh[place] = words[(header + fuse.OUT_UNIQUE + 4) >> 2]!;
    return place;
  }

  #read(slot: number): void {
    const address = this.#memory.address + slotOffset(slot) + SLOT_REQUEST;
    const tag = TAG_RECEIVE | slot;
    const flags = abi.SQE_FIXED_FILE;
    this.#ring.queue(abi.OP_READ, flags, this.#file, address, RECEIVE_BYTES, 0, 0, tag);
    this.#posted++;
  }
}
