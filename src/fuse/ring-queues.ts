import { MAX_IO_BYTES, type Memory, SLOT_DATA, slotOffset } from '../buffers/memory.js';
import type { Requests } from '../plane/requests.js';
import { mapAnonymous } from '../sys/memory.js';
import * as abi from '../uring/abi.js';
import type { CommandQueue } from '../uring/ring.js';
import { TAG_ENTRY } from '../uring/tags.js';
import { ERRNO, errnoName } from '../util/errno.js';
import * as fuse from './abi.js';
import type { DeviceSession } from './device-session.js';
import type { Dispatcher, Wire } from './dispatch.js';
import type { Negotiated } from './init.js';
import { writeIovecs } from './wire.js';

/** Where the headers of an entry stand in its slot: in the page before the data. */
const HEADERS = SLOT_DATA - 512;

/** The part of a queue that asynchronous requests can take. */
const BACKGROUND_SHARE = 3 / 4;

/** A command on an entry that ended so can be given again. */
const PASSING: ReadonlySet<number> = new Set([-ERRNO.EAGAIN, -ERRNO.EINTR]);
/** The session has ended. */
const GONE: ReadonlySet<number> = new Set([-ERRNO.ENOTCONN, -ERRNO.ECONNABORTED, -ERRNO.ENODEV]);

/** The parts of the queues. */
export interface RingQueuesParts {
  ring: CommandQueue;
  /** Index of /dev/fuse among the ring's registered files. */
  file: number;
  memory: Memory;
  requests: Requests;
  /** Has the requests that never come through a queue: INIT, FORGET, INTERRUPT. */
  device: DeviceSession;
  warn: (text: string) => void;
}

/**
 * FUSE over io_uring: the kernel has entries, puts a request into each, and takes its reply together with
 * the entry for the next request, in one command. There is a queue of entries for each possible processor;
 * a request comes into the queue of the one that its caller runs on.
 *
 * An entry is a slot of the memory, which is lent to the request until its reply has left. So a request that
 * waits in its group keeps an entry. One that finds no entry stays in the kernel until a reply leaves
 * its queue, which can take as long as a limit lasts. So the queues have all slots from the start, and the
 * kernel is asked for fewer asynchronous requests than one queue has entries: calls on control files, and reads and
 * writes of threads that wait for them, find one.
 */
export class RingQueues implements Wire {
  readonly #parts: RingQueuesParts;
  /** The queue of each slot that is an entry. */
  readonly #queueOf: Uint16Array;
  readonly #queues: number;
  /** Entries of each queue. */
  readonly #depth: number;
  readonly #iovecs: ReturnType<typeof mapAnonymous>;
  #warned = false;

  /** @param queues The number of possible processors. */
  constructor(parts: RingQueuesParts, queues: number) {
    const { capacity, slots } = parts.memory;
    this.#parts = parts;
    this.#queues = queues;
    // Some requests come over /dev/fuse, and the last flush has some of its own.
    const entries = Math.min(slots, capacity.requests) - capacity.receives;
    this.#depth = Math.floor(entries / queues);
    this.#queueOf = new Uint16Array(slots);
    this.#iovecs = mapAnonymous(slots * abi.IOVECS_BYTES);
  }

  /** The most asynchronous requests that the kernel may send at a time: all may come by one queue. */
  get maxBackground(): number {
    return Math.max(1, Math.floor(this.#depth * BACKGROUND_SHARE));
  }

  /**
   * Hands the entries over, once the kernel has the reply to INIT: it holds all callers back until every
   * queue has one.
   */
  start({ flags2 }: Pick<Negotiated, 'flags2'>): void {
    if ((flags2 & fuse.OVER_IO_URING) === 0) {
      this.#parts.warn(
        'the kernel does not offer FUSE over io_uring; requests come over /dev/fuse',
      );
      return;
    }
    for (let i = this.#depth * this.#queues; i > 0; i--) {
      const slot = this.#parts.memory.lendSlot();
      this.#queueOf[slot] = i % this.#queues;
      this.#register(slot);
    }
  }

  #register(slot: number): void {
    const { ring, file, memory } = this.#parts;
    const at = slot * abi.IOVECS_BYTES;
    const view = new DataView(this.#iovecs.buffer, at, abi.IOVECS_BYTES);
    const start = memory.address + slotOffset(slot);
    writeIovecs(view, 0, start + HEADERS, fuse.URING_HEADER_BYTES, start + SLOT_DATA, MAX_IO_BYTES);
    const address = this.#iovecs.address + at;
    const [code, flags, tag] = [fuse.URING_REGISTER, abi.SQE_FIXED_FILE, TAG_ENTRY | slot];
    const queue = this.#queueOf[slot]!;
    ring.queueCommand(flags, file, code, address, 2, 0, 0, queue, tag);
  }

  /** The command on an entry has ended. True: there is a request in it. */
  arrived(slot: number, result: number): boolean {
    if (result < 0) this.#failed(slot, result);
    return result >= 0;
  }

  /** Hands the request in an entry to the dispatcher. */
  begin(slot: number, dispatcher: Dispatcher): void {
    const { words, bytes } = this.#parts.memory;
    const data = slotOffset(slot) + SLOT_DATA;
    const headers = slotOffset(slot) + HEADERS;
    const length = words[(headers + fuse.IN_LEN) >> 2]! - fuse.IN_HEADER_BYTES;
    const payload = words[(headers + fuse.URING_PAYLOAD_BYTES) >> 2]!;
    let body = headers + fuse.URING_OP_IN;
    if (payload > 0) {
      // The first argument is put before the others.
      const first = length - payload;
      bytes.copyWithin(data - first, body, body + first);
      body = data - first;
    }
    dispatcher.lent(slot, headers, body, length);
  }

  #failed(slot: number, result: number): void {
    const { memory, warn } = this.#parts;
    // The transfer before a reply failed: the request is still here, and is answered again.
    if (result === -ERRNO.ECANCELED) return;
    if (PASSING.has(result)) {
      this.#register(slot);
      return;
    }
    memory.takeBack(slot);
    if (GONE.has(result) || this.#warned) return;
    this.#warned = true;
    warn(`FUSE over io_uring failed (${errnoName(result)}); the kernel goes on over /dev/fuse`);
  }

  send(request: number, offset: number, length: number, linked: boolean, source: number): void {
    const { ring, file, memory, requests, device } = this.#parts;
    if (requests.lent[request] === 0) {
      device.send(request, offset, length, linked, source);
      return;
    }
    const { words, view, bytes } = memory;
    const slot = requests.slot[request]!;
    const low = requests.uniqueLow[request]!;
    const high = requests.uniqueHigh[request]!;
    const headers = (slotOffset(slot) + HEADERS) >> 2;
    words[headers + (fuse.OUT_LEN >> 2)] = length;
    words[headers + (fuse.OUT_ERROR >> 2)] = view.getUint32(offset + fuse.OUT_ERROR, true);
    words[headers + (fuse.OUT_UNIQUE >> 2)] = low;
    words[headers + (fuse.OUT_UNIQUE >> 2) + 1] = high;
    words[headers + (fuse.URING_PAYLOAD_BYTES >> 2)] = length - fuse.OUT_HEADER_BYTES;
    const from = offset + fuse.OUT_HEADER_BYTES;
    const data = slotOffset(slot) + SLOT_DATA;
    if (from !== data) bytes.copyWithin(data, from, offset + length);
    if (!linked) device.sent[device.sentCount++] = request;
    const queue = this.#queueOf[slot]!;
    const [code, flags, tag] = [fuse.URING_COMMIT_AND_FETCH, abi.SQE_FIXED_FILE, TAG_ENTRY | slot];
    ring.queueCommand(flags, file, code, 0, 0, low, high, queue, tag);
  }
}
