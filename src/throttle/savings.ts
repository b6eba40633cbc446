import { Buckets } from './buckets.js';
import { Chains, CLASSES } from './chains.js';
import type { RequestTable } from './request-table.js';

/**
 * Up to so many waiting queues the largest first request at a bucket is looked for as soon as the
 * former largest has gone; with more, once in as many charges, so that it stays O(1) a request. Until
 * then the bucket may keep the credit for a request as large as one that waited a moment ago.
 */
const SEARCH_AT_ONCE = 32;

/**
 * The buckets, and what waiting queues save in them. A queue is a member's reads or its writes; it
 * saves in every bucket on its way for its first request.
 */
export class Savings {
  readonly buckets = new Buckets();
  readonly chains = new Chains();
  private readonly table: RequestTable;
  /** Buckets whose `need` is out of date, and the charges until it is looked for. */
  private readonly stale = new Map<number, number>();

  constructor(table: RequestTable) {
    this.table = table;
  }

  chainOf(queue: number): Int32Array {
    const group = this.table.groupOf[queue >> 1];
    return this.chains.chain[group * CLASSES + (queue & 1)];
  }

  /**
   * Charges a request to every bucket on its way, if it may pass all of them now and nobody waits for
   * any of them.
   */
  pass(queue: number, bytes: number, now: number): boolean {
    const { buckets } = this;
    const chain = this.chainOf(queue);
    for (let at = 0; at < chain.length; at++) {
      if (!buckets.isOpen(chain[at], bytes, now)) return false;
    }
    for (let at = 0; at < chain.length; at++) buckets.charge(chain[at], bytes, now);
    return true;
  }

  /** A queue that was empty has a first request. */
  enter(queue: number, bytes: number, time: number): void {
    const chain = this.chainOf(queue);
    for (let at = 0; at < chain.length; at++) {
      this.buckets.claim(chain[at]);
      this.buckets.save(chain[at], bytes, time);
    }
  }

  /** Another request is first. */
  replace(queue: number, bytes: number, time: number): void {
    const chain = this.chainOf(queue);
    for (let at = 0; at < chain.length; at++) this.buckets.save(chain[at], bytes, time);
  }

  leave(queue: number): void {
    const chain = this.chainOf(queue);
    for (let at = 0; at < chain.length; at++) this.buckets.unclaim(chain[at]);
  }

  /** The first request goes: it is charged to every bucket on its way. */
  charge(queue: number, bytes: number, time: number): void {
    const chain = this.chainOf(queue);
    for (let at = 0; at < chain.length; at++) {
      this.buckets.charge(chain[at], bytes, time);
      if (this.stale.size > 0) this.countCharge(chain[at]);
      if (this.buckets.unsave(chain[at], bytes)) this.largestGone(chain[at], queue);
    }
  }

  /** The first request was taken away. */
  withdraw(queue: number, bytes: number): void {
    const chain = this.chainOf(queue);
    for (let at = 0; at < chain.length; at++) {
      if (this.buckets.unsave(chain[at], bytes)) this.search(chain[at], queue);
    }
  }

  /** Every queue saves anew, after a change of the tree or of limits; `tat` stays. */
  rebuild(): void {
    this.buckets.forgetWaiters();
    this.stale.clear();
    const { table } = this;
    for (let queue = 0; queue < table.queues; queue++) {
      const head = table.headOf(queue);
      if (head !== -1) this.enter(queue, table.bytesOf[head], -Infinity);
    }
  }

  private largestGone(bucket: number, queue: number): void {
    const claims = this.buckets.claimsOf(bucket);
    if (claims <= SEARCH_AT_ONCE) this.search(bucket, queue);
    else if (!this.stale.has(bucket)) this.stale.set(bucket, claims);
  }

  private countCharge(bucket: number): void {
    const left = this.stale.get(bucket);
    if (left === undefined) return;
    if (left > 0) this.stale.set(bucket, left - 1);
    else this.search(bucket, -1);
  }

  /** Finds the largest first request at the bucket, that of `except` aside. */
  private search(bucket: number, except: number): void {
    const { table } = this;
    this.stale.delete(bucket);
    this.buckets.forgetNeed(bucket);
    if (this.buckets.claimsOf(bucket) <= 1 && except !== -1) return;
    for (let queue = 0; queue < table.queues; queue++) {
      const head = table.headOf(queue);
      if (head === -1 || queue === except) continue;
      if (!this.chainOf(queue).includes(bucket)) continue;
      this.buckets.save(bucket, table.bytesOf[head], -Infinity);
    }
  }
}
