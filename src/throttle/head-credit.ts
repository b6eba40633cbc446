import type { BucketPaths } from './bucket-paths.js';
import type { LeakyBuckets } from './leaky-buckets.js';
import type { RequestTable } from './request-table.js';

/**
 * With up to this many waiting queues at a bucket, the largest head is searched for as soon as the
 * former largest has gone. With more, the search waits for as many charges as there are queues, so
 * that it costs O(1) a request. Until then the bucket keeps the credit of the head that has gone.
 */
const SEARCH_AT_ONCE = 32;

/**
 * Charges requests to the buckets on their path, and keeps credit there for the heads of the queues
 * that wait. A queue is a member's reads, or its writes and discards.
 *
 * A late timer loses nothing: a request is charged as of the time at which its limits would have let
 * it go had the caller come in time, and the credit of its buckets is judged as of then. Waiting for a
 * place in flight does lose credit, or a growing window would let a burst through.
 */
export class HeadCredit {
  readonly #table: RequestTable;
  readonly #buckets: LeakyBuckets;
  readonly #paths: BucketPaths;
  /** Buckets whose kept credit is stale, and the charges that are left until the search. */
  readonly #stale = new Map<number, number>();
  /** Time in ns as of which requests are charged: up to it everything that was due has been served. */
  time = 0;
  #isReset = false;

  constructor(table: RequestTable, buckets: LeakyBuckets, paths: BucketPaths) {
    this.#table = table;
    this.#buckets = buckets;
    this.#paths = paths;
  }

  /** At `now` nothing is due from before. */
  advance(now: number): void {
    this.time = Math.max(this.time, now);
  }

  /** The next request is charged as of `since`, from which its limits let it go. */
  advanceTo(since: number, now: number): void {
    this.time = Math.min(now, Math.max(this.time, since));
  }

  /** Call before anything is chosen: after a cancel, credit is judged as of now. */
  begin(now: number): void {
    if (!this.#isReset) return;
    this.#isReset = false;
    this.time = now;
  }

  /**
   * The time from which a head that comes at `now` keeps credit: `now`, or the time at which
   * something was due that is not served yet.
   *
   * @param wakeAt When the first waiting request may go, in ns.
   */
  timeOfNewHead(wakeAt: number, now: number): number {
    return Math.min(now, Math.max(this.time, wakeAt));
  }

  /**
   * Charges a request to every bucket on its path if it may pass all of them at `now` and no queue
   * waits for any of them. False: nothing is charged.
   */
  pass(queue: number, bytes: number, now: number): boolean {
    const buckets = this.#buckets;
    const path = this.#paths.ofQueue(queue);
    for (let at = 0; at < path.length; at++) {
      if (!buckets.isOpen(path[at], bytes, now)) return false;
    }
    for (let at = 0; at < path.length; at++) buckets.charge(path[at], bytes, now);
    return true;
  }

  /** A queue that was empty has a head of `bytes`. */
  enter(queue: number, bytes: number, time: number): void {
    const path = this.#paths.ofQueue(queue);
    for (let at = 0; at < path.length; at++) {
      this.#buckets.addWaiter(path[at]);
      this.#buckets.keepCredit(path[at], bytes, time);
    }
  }

  /** The head that was charged or cancelled has left the queue: the next one keeps credit, if there is one. */
  nextHead(queue: number): void {
    const head = this.#table.headOf(queue);
    const path = this.#paths.ofQueue(queue);
    if (head === -1) for (let at = 0; at < path.length; at++) this.#buckets.removeWaiter(path[at]);
    else {
      const bytes = this.#table.bytesOf[head];
      for (let at = 0; at < path.length; at++) this.#buckets.keepCredit(path[at], bytes, this.time);
    }
  }

  /** Charges the head of a queue to every bucket on its path; it is about to go. */
  charge(queue: number, bytes: number): void {
    const path = this.#paths.ofQueue(queue);
    for (let at = 0; at < path.length; at++) {
      this.#buckets.charge(path[at], bytes, this.time);
      if (this.#stale.size > 0) this.#countCharge(path[at]);
      if (this.#buckets.releaseCredit(path[at], bytes)) this.#largestGone(path[at], queue);
    }
  }

  /** The head of a queue, of `bytes`, was cancelled, and has left it. */
  cancelled(queue: number, bytes: number): void {
    const path = this.#paths.ofQueue(queue);
    for (let at = 0; at < path.length; at++) {
      if (this.#buckets.releaseCredit(path[at], bytes)) this.#search(path[at], queue);
    }
    this.nextHead(queue);
    this.#isReset = true;
  }

  /** Enters every queue anew, after a change of the tree or of limits. Levels stay. */
  rebuild(): void {
    const table = this.#table;
    this.#buckets.forgetWaiters();
    this.#stale.clear();
    for (let queue = 0; queue < table.queues; queue++) {
      const head = table.headOf(queue);
      if (head !== -1) this.enter(queue, table.bytesOf[head], -Infinity);
    }
  }

  #largestGone(bucket: number, queue: number): void {
    const waiters = this.#buckets.waiters(bucket);
    if (waiters <= SEARCH_AT_ONCE) this.#search(bucket, queue);
    else if (!this.#stale.has(bucket)) this.#stale.set(bucket, waiters);
  }

  #countCharge(bucket: number): void {
    const left = this.#stale.get(bucket);
    if (left === undefined) return;
    if (left > 0) this.#stale.set(bucket, left - 1);
    else this.#search(bucket, -1);
  }

  /** Finds the largest head that waits for the bucket, apart from that of the queue `except`. */
  #search(bucket: number, except: number): void {
    const table = this.#table;
    this.#stale.delete(bucket);
    this.#buckets.dropHeadCredit(bucket);
    if (this.#buckets.waiters(bucket) <= 1 && except !== -1) return;
    for (let queue = 0; queue < table.queues; queue++) {
      const head = table.headOf(queue);
      if (head === -1 || queue === except) continue;
      if (!this.#paths.ofQueue(queue).includes(bucket)) continue;
      this.#buckets.keepCredit(bucket, table.bytesOf[head], -Infinity);
    }
  }
}
