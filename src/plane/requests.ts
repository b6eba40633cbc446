import { REQUESTS } from '../buffers/memory.js';

/**
 * States of a request.
 *
 *     FREE ─► DISPATCHING ─┬─► REPLYING ───────────────────────────────► FREE
 *                          ├─► WAITING ─► READY ─┐                        ▲
 *                          │   (in its group)    ▼                        │
 *                          └───────────────────► LOCKED ─► LINKED ────────┤
 *                            (a range of the disk is    ├► PLAIN ► REPLYING
 *                             being rewritten)          └► TASK ─► REPLYING
 */
export const FREE = 0;
/** Received; the dispatcher has it. */
export const DISPATCHING = 1;
/** Held back by its group. Only numbers, and for a WRITE its payload in the pool. */
export const WAITING = 2;
/** Admitted and charged; waits for a place in flight. */
export const READY = 3;
/** Waits for another write to the same blocks. */
export const LOCKED = 4;
/** Transfer and reply are queued as a pair. */
export const LINKED = 5;
/** Transfer is queued, reply follows. */
export const PLAIN = 6;
/** A coroutine runs it. */
export const TASK = 7;
/** Reply is queued. */
export const REPLYING = 8;

/** Where a field of -1 stands for "none". */
export const NONE = -1;

/** The requests under way: parallel typed arrays, one index a request; untouched entries cost no memory. */
export class Requests {
  readonly state = new Uint8Array(REQUESTS);
  readonly opcode = new Uint8Array(REQUESTS);
  /** FUSE's id of the request, to be quoted in the reply. */
  readonly uniqueLow = new Uint32Array(REQUESTS);
  readonly uniqueHigh = new Uint32Array(REQUESTS);
  readonly node = new Uint32Array(REQUESTS);
  /** Index of the disk it is about, or NONE. */
  readonly disk = new Int32Array(REQUESTS);
  /** Range of the disk, bytes. */
  readonly offset = new Float64Array(REQUESTS);
  readonly length = new Float64Array(REQUESTS);
  /** fallocate's mode bits; 1 for a WRITE from the page cache. */
  readonly mode = new Uint32Array(REQUESTS);
  /** Slot that the request holds, or NONE. */
  readonly slot = new Int32Array(REQUESTS);
  /** Offset in the pool where a WRITE's payload waits, or NONE. */
  readonly pooled = new Int32Array(REQUESTS);
  /** 1 while it counts as in flight. */
  readonly inFlight = new Uint8Array(REQUESTS);
  /** Next in the list of READY requests, or of free entries. */
  readonly next = new Int32Array(REQUESTS);

  #free = NONE;
  /** Entries from here on have never been used. */
  #unused = 0;
  #count = 0;

  /** Requests under way. */
  get count(): number {
    return this.#count;
  }

  get available(): number {
    return REQUESTS - this.#count;
  }

  /** A free entry; there must be one. Its fields are stale but for disk, slot and pooled. */
  take(): number {
    let request = this.#free;
    if (request !== NONE) this.#free = this.next[request]!;
    else request = this.#unused++;
    this.#count++;
    this.state[request] = DISPATCHING;
    this.disk[request] = NONE;
    this.slot[request] = NONE;
    this.pooled[request] = NONE;
    this.inFlight[request] = 0;
    return request;
  }

  release(request: number): void {
    this.state[request] = FREE;
    this.next[request] = this.#free;
    this.#free = request;
    this.#count--;
  }
}

/** A first-in-first-out list of requests, linked through `Requests.next`. */
export class RequestQueue {
  readonly #next: Int32Array;
  #head = NONE;
  #tail = NONE;

  constructor(requests: Requests) {
    this.#next = requests.next;
  }

  get isEmpty(): boolean {
    return this.#head === NONE;
  }

  push(request: number): void {
    this.#next[request] = NONE;
    if (this.#tail === NONE) this.#head = request;
    else this.#next[this.#tail] = request;
    this.#tail = request;
  }

  /** The oldest; there must be one. */
  shift(): number {
    const request = this.#head;
    this.#head = this.#next[request]!;
    if (this.#head === NONE) this.#tail = NONE;
    return request;
  }
}
