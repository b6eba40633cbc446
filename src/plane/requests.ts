import { REQUESTS } from '../buffers/memory.js';
import { assert } from '../util/assert.js';
import { OWN } from './operation.js';

/**
 * States of a request.
 *
 *     FREE ─► DISPATCHING ─┬─► REPLYING ───────────────────────────────► FREE
 *                          ├─► WAITING ──────────┐                        ▲
 *                          │   (in its group)    ▼                        │
 *                          ├───────────────────► DELAYED ─► REPLYING      │
 *                          │    (a fault of the  │                        │
 *                          │     image; if any)  ▼                        │
 *                          └───────────────────► LOCKED ─► LINKED ────────┤
 *                            (a range of the disk is    ├► PLAIN ► REPLYING
 *                             being rewritten)          └► TASK ─► REPLYING
 */
export const FREE = 0;
/** Received; the transport has it. */
export const DISPATCHING = 1;
/** Held back by its group or the window. Only numbers, and for a WRITE its payload in the pool. */
export const WAITING = 2;
/** Admitted, and late on purpose: a fault that the user wants. */
export const DELAYED = 3;
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

/** The value of a field that has none. */
export const NONE = -1;

/** Entries that callers leave: images are detached and resized, however many requests wait. */
const OWN_TASKS = 4;

/** The requests under way: parallel typed arrays, one index a request; untouched entries cost no memory. */
export class Requests {
  /** The most requests under way. */
  readonly capacity: number;
  readonly state: Uint8Array;
  /** See operation.ts, also for the meaning of the columns from `disk` to `handle`. */
  readonly operation: Uint8Array;
  /** The transport's id of the request: ids differ, and later ones are larger. */
  readonly uniqueLow: Uint32Array;
  readonly uniqueHigh: Uint32Array;
  /** The caller: ids, and the thread, 0 if it is not visible from here. */
  readonly uid: Uint32Array;
  readonly gid: Uint32Array;
  readonly thread: Uint32Array;
  /** The throttle's member that it is charged to. */
  readonly member: Int32Array;
  /** Index of the disk it is about, or NONE. */
  readonly disk: Int32Array;
  /** Range of the disk, bytes. */
  readonly offset: Float64Array;
  readonly length: Float64Array;
  readonly mode: Uint32Array;
  /** The open file that it came through. */
  readonly handle: Float64Array;
  /** Slot that the request holds, or NONE. */
  readonly slot: Int32Array;
  /** 1: its slot is lent by the transport and stays with it until its reply has left. */
  readonly lent: Uint8Array;
  /** Offset in the pool where a WRITE's payload waits, or NONE. */
  readonly pooled: Int32Array;
  /** 1 while it counts as in flight. */
  readonly inFlight: Uint8Array;
  /** Next free entry. */
  readonly #next: Int32Array;

  #free = NONE;
  /** Entries from here on have never been used. */
  #unused = 0;
  #count = 0;

  constructor(capacity = REQUESTS) {
    this.capacity = capacity;
    this.state = new Uint8Array(capacity);
    this.operation = new Uint8Array(capacity);
    this.uniqueLow = new Uint32Array(capacity);
    this.uniqueHigh = new Uint32Array(capacity);
    this.uid = new Uint32Array(capacity);
    this.gid = new Uint32Array(capacity);
    this.thread = new Uint32Array(capacity);
    this.member = new Int32Array(capacity);
    this.disk = new Int32Array(capacity);
    this.offset = new Float64Array(capacity);
    this.length = new Float64Array(capacity);
    this.mode = new Uint32Array(capacity);
    this.handle = new Float64Array(capacity);
    this.slot = new Int32Array(capacity);
    this.lent = new Uint8Array(capacity);
    this.pooled = new Int32Array(capacity);
    this.inFlight = new Uint8Array(capacity);
    this.#next = new Int32Array(capacity);
  }

  /** Requests under way. */
  get count(): number {
    return this.#count;
  }

  /** Requests of callers that there is room for. */
  get available(): number {
    return this.capacity - OWN_TASKS - this.#count;
  }

  /** A free entry; there must be one. Its fields are stale but for those set here. */
  take(): number {
    let request = this.#free;
    if (request !== NONE) this.#free = this.#next[request]!;
    else request = this.#unused++;
    assert(request < this.capacity, 'no request is free');
    this.#count++;
    this.state[request] = DISPATCHING;
    this.operation[request] = OWN;
    // Whoever watches the request that had the number before must see that it is gone.
    this.uniqueLow[request] = 0;
    this.uniqueHigh[request] = 0;
    this.disk[request] = NONE;
    this.slot[request] = NONE;
    this.lent[request] = 0;
    this.pooled[request] = NONE;
    this.inFlight[request] = 0;
    return request;
  }

  /** Those in a state, by id. */
  inState(state: number): number[] {
    const { uniqueHigh, uniqueLow } = this;
    const found: number[] = [];
    for (let request = 0; request < this.#unused; request++) {
      if (this.state[request] === state) found.push(request);
    }
    return found.sort((a, b) => uniqueHigh[a]! - uniqueHigh[b]! || uniqueLow[a]! - uniqueLow[b]!);
  }

  /** All requests under way are in a state. */
  areAll(state: number): boolean {
    return this.#count === this.inState(state).length;
  }

  /**
   * A function that tells whether all requests that are now at work on some disks have ended. A request
   * that waits for its group or for a lock has not mapped its range yet, and does not count.
   *
   * @param from The first state that counts.
   */
  watch(isOf: (disk: number) => boolean, from = LINKED): () => boolean {
    const { state, uniqueLow, uniqueHigh } = this;
    const watched: { request: number; low: number; high: number }[] = [];
    for (let request = 0; request < this.#unused; request++) {
      if (state[request]! < from || !isOf(this.disk[request]!)) continue;
      watched.push({ request, low: uniqueLow[request]!, high: uniqueHigh[request]! });
    }
    const isUnderWay = ({ request, low, high }: (typeof watched)[number]): boolean =>
      state[request] !== FREE && uniqueLow[request] === low && uniqueHigh[request] === high;
    return () => {
      while (watched.length > 0 && !isUnderWay(watched.at(-1)!)) watched.pop();
      return watched.length === 0;
    };
  }

  release(request: number): void {
    this.state[request] = FREE;
    this.#next[request] = this.#free;
    this.#free = request;
    this.#count--;
  }
}
