import { type Memory, RECEIVE_BYTES, SLOT_REQUEST, slotOffset } from '../buffers/memory.js';
import { mapAnonymous } from '../sys/memory.js';
import * as abi from '../uring/abi.js';
import type { RingQueue } from '../uring/ring.js';
import { TAG_CANCEL, TAG_RECEIVE, TAG_REPLY, TAG_SENT } from '../uring/tags.js';
import { ERRNO, errnoName } from '../util/errno.js';
import * as fuse from './abi.js';
import type { Wire } from './dispatch.js';
import { writeIovecs, writeReplyHeader } from './wire.js';

/**
 * Replies whose IDs are kept after they were submitted; a power of two. The kernel reports a refused
 * reply by the end of the system call that submitted it, and one call submits fewer replies than this.
 */
const PLACES = 4096;
/** Most error replies that wait for one submission. */
const ERROR_REPLIES = 256;

/** Errors of a receive that say nothing of the session. ECANCELED: it was taken back. */
const PASSING: ReadonlySet<number> = new Set([
  ERRNO.EAGAIN,
  ERRNO.EINTR,
  ERRNO.ENOENT,
  ERRNO.ECANCELED,
]);

/** Most receives that are queued: more of them gain nothing measurable. */
const MOST_RECEIVES = 32;

/**
 * /dev/fuse through the ring. A receive is a queued read(2) of the descriptor, which is O_NONBLOCK.
 * It takes a request that is there. Otherwise the ring polls, and the receive takes the next request in
 * the same system call that waits for it.
 *
 * Every request wakes all queued receives, and one of them takes it. So there should be as many
 * receives as requests come in one turn. A turn that used all of them doubles their number; a turn that
 * left some queues as many as it used.
 */
export class DeviceSession implements Wire {
  /** Errno with which the kernel ended the session, 0 while it lasts. */
  ended = 0;
  /** No receive is queued meanwhile. */
  isPaused = false;

  /** Requests whose replies leave with the next submission: the first `sentCount`. */
  readonly sent: Int32Array;
  sentCount = 0;

  /** IDs of the replies that were sent last, by place. */
  readonly #sentLow = new Uint32Array(PLACES);
  readonly #sentHigh = new Uint32Array(PLACES);
  #nextPlace = 0;
  /** Headers of the error replies to requests whose reply was refused. */
  readonly #errors = mapAnonymous(ERROR_REPLIES * fuse.OUT_HEADER_BYTES);
  #nextError = 0;
  readonly #warn: (text: string) => void;
  readonly #unreadable: () => void;
  readonly #ring: RingQueue;
  readonly #file: number;
  readonly #memory: Memory;
  /** Receives that are queued and not completed. */
  #posted = 0;
  /** Requests received since the last `post`. */
  #received = 0;

  /**
   * @param file Index of /dev/fuse among the ring's registered files.
   * @param unreadable Called when the payload of a reply could not be read from its file.
   */
  constructor(
    ring: RingQueue,
    file: number,
    memory: Memory,
    warn: (text: string) => void,
    unreadable: () => void,
  ) {
    this.#warn = warn;
    this.#unreadable = unreadable;
    this.#ring = ring;
    this.#file = file;
    this.#memory = memory;
    this.sent = new Int32Array(memory.capacity.requests);
  }

  /** The next request has a receive that is queued for it. */
  get isListening(): boolean {
    return this.#posted > 0;
  }

  /** Queues receives, so that at most `slots` slots are in use for that. */
  post(slots: number): void {
    if (this.ended !== 0 || this.isPaused) return;
    const usedUp = this.#posted === 0;
    const wanted = Math.max(1, usedUp ? 2 * this.#received : this.#received);
    const target = Math.min(wanted, MOST_RECEIVES, slots);
    this.#received = 0;
    while (this.#posted < target) this.#read(this.#memory.takeSlot());
  }

  /** Takes the receives back that are queued. Each completes, with a request or without; no reply may be queued. */
  cancelReceives(): void {
    const flags = abi.CANCEL_ALL | abi.CANCEL_FD | abi.CANCEL_FD_FIXED;
    this.#ring.queue(abi.OP_CANCEL, 0, this.#file, 0, 0, 0, flags, TAG_CANCEL);
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
    if (!PASSING.has(-result)) this.ended = result === 0 ? ERRNO.ENODEV : -result;
    return 0;
  }

  /**
   * /dev/fuse never makes a writer wait, so a reply that is not linked is carried out while it is
   * submitted. It asks for no completion and counts as sent after the submission. That saves a
   * completion for each request, and at queue depth 1 every second system call.
   */
  send(request: number, offset: number, length: number, linked: boolean, source: number): void {
    const address = this.#memory.address + offset;
    if (!linked) this.sent[this.sentCount++] = request;
    const flags = linked ? abi.SQE_FIXED_FILE : abi.SQE_FIXED_FILE | abi.SQE_CQE_SKIP_SUCCESS;
    const tag = linked ? TAG_REPLY | request : TAG_SENT | this.#remember(offset);
    if (source === 0) this.#ring.queue(abi.OP_WRITE, flags, this.#file, address, length, 0, 0, tag);
    else {
      const parts = this.#gather(offset, source, length - fuse.OUT_HEADER_BYTES);
      this.#ring.queue(abi.OP_WRITEV, flags, this.#file, parts, 2, 0, 0, tag);
    }
  }

  /** Writes two of struct iovec, for header and payload, before the header. @returns Their address. */
  #gather(header: number, payload: number, length: number): number {
    const { address, view } = this.#memory;
    const place = header - abi.IOVECS_BYTES;
    writeIovecs(view, place, address + header, fuse.OUT_HEADER_BYTES, payload, length);
    return address + place;
  }

  /** A reply that is not linked failed. @param place From its tag. */
  sendFailed(place: number, result: number): void {
    if (place < PLACES) this.replyFailed(this.#sentLow[place]!, this.#sentHigh[place]!, result);
  }

  /**
   * The kernel refused the reply to a request. Its caller may be gone (interrupted or aborted), or the
   * session may be. EFAULT: another program has made the file shorter that the payload was to come from. Any other
   * refusal is our mistake. The caller gets EIO, if the kernel has not given it that already: it would hang otherwise.
   */
  replyFailed(uniqueLow: number, uniqueHigh: number, result: number): void {
    if (result === -ERRNO.ENOENT) return;
    if (result === -ERRNO.ENODEV || result === -ERRNO.EPERM) {
      this.ended = -result;
      return;
    }
    if (result === -ERRNO.EFAULT) this.#unreadable();
    else this.#warn(`the kernel refused a reply (${errnoName(result)}); its caller gets EIO`);
    const at = (this.#nextError++ % ERROR_REPLIES) * fuse.OUT_HEADER_BYTES;
    const view = new DataView(this.#errors.buffer, at, fuse.OUT_HEADER_BYTES);
    writeReplyHeader(view, 0, uniqueLow, uniqueHigh, -ERRNO.EIO, 0);
    // A refusal of this reply too is ignored: its tag has no place.
    const flags = abi.SQE_FIXED_FILE | abi.SQE_CQE_SKIP_SUCCESS;
    const address = this.#errors.address + at;
    const tag = TAG_SENT | PLACES;
    this.#ring.queue(abi.OP_WRITE, flags, this.#file, address, fuse.OUT_HEADER_BYTES, 0, 0, tag);
  }

  #remember(header: number): number {
    const place = this.#nextPlace++ & (PLACES - 1);
    const { view } = this.#memory;
    // A header can be at any byte: it stands right before data that is not aligned.
    this.#sentLow[place] = view.getUint32(header + fuse.OUT_UNIQUE, true);
    this.#sentHigh[place] = view.getUint32(header + fuse.OUT_UNIQUE + 4, true);
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
