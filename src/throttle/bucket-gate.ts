import type { BucketPaths } from './bucket-paths.js';
import type { LeakyBuckets } from './leaky-buckets.js';
import { NONE, type NodeTable } from './node-table.js';
import { OP_CLASSES } from './request-table.js';
import type { Siblings } from './siblings.js';

const NO_BUCKETS = new Int32Array(0);
/** Time in ns after which a request is looked at again that waits for one to another device. */
const LOOK_AGAIN = 1e6;

/**
 * When the buckets of a node let the request pass that the node would send. Of a read and a write at
 * a bucket that both use, the one with the earlier start tag goes first. The other may pass it only
 * if that does not delay it, as in EASY backfilling of batch queues.
 */
export class BucketGate {
  /** True from the drain on: no limit counts any more. */
  isDraining = false;
  readonly #nodes: NodeTable;
  readonly #siblings: Siblings;
  readonly #buckets: LeakyBuckets;
  readonly #paths: BucketPaths;

  constructor(nodes: NodeTable, siblings: Siblings, buckets: LeakyBuckets, paths: BucketPaths) {
    this.#nodes = nodes;
    this.#siblings = siblings;
    this.#buckets = buckets;
    this.#paths = paths;
  }

  /** True if the queue has no bucket to pass on its path to the root. */
  isUnlimited(queue: number): boolean {
    return this.isDraining || this.#paths.ofQueue(queue).length === 0;
  }

  /** True if the entry has buckets of its own. */
  hasBuckets(entry: number): boolean {
    return this.#own(entry).length > 0;
  }

  /** True if reads and writes of the node use a bucket together. */
  sharesBuckets(node: number): boolean {
    const group = this.#nodes.groupOf(node);
    return group !== NONE && !this.isDraining && this.#paths.shared(group).length > 0;
  }

  /**
   * Time in ns from which the entry's buckets let a request of `bytes` of `child` pass, -Infinity if
   * it has none. Infinity while the request must wait for one of the other class.
   */
  readyTime(entry: number, child: number, bytes: number, now: number): number {
    const time = this.bucketTime(entry, bytes);
    if (time === -Infinity) return time;
    if (this.#nodes.committed[entry ^ 1] !== NONE && this.#delaysOther(entry, child, bytes, now)) {
      return Infinity;
    }
    return this.#nodes.devicesInUse === 1
      ? time
      : Math.max(time, this.#othersUntil(entry, child, now));
  }

  /** The same, without regard to the other class. */
  bucketTime(entry: number, bytes: number): number {
    const own = this.#own(entry);
    let time = -Infinity;
    for (let at = 0; at < own.length; at++) {
      time = Math.max(time, this.#buckets.readyTime(own[at], bytes));
    }
    return time;
  }

  #own(entry: number): Int32Array {
    const group = this.#nodes.groupOf(entry >> 1);
    return group === NONE || this.isDraining ? NO_BUCKETS : this.#paths.own(group, entry & 1);
  }

  /** True if the node is committed to an earlier request of the other class, and this would delay it. */
  #delaysOther(entry: number, child: number, bytes: number, now: number): boolean {
    const otherEntry = entry ^ 1;
    const other = 2 * this.#nodes.committed[otherEntry] + (otherEntry & 1);
    if (!this.#siblings.precedes(other, 2 * child + (entry & 1))) return false;
    const buckets = this.#buckets;
    const shared = this.#paths.shared(this.#nodes.groupOf(entry >> 1));
    const until = Math.max(now, this.#committedUntil(otherEntry));
    const otherBytes = this.#siblings.headBytes(other);
    for (let at = 0; at < shared.length; at++) {
      const after = buckets.readyTime(shared[at], otherBytes) + buckets.cost(shared[at], bytes);
      if (after > until) return true;
    }
    return false;
  }

  /**
   * An earlier request to another device that waits for the buckets comes first: until about when, in ns.
   * -Infinity if there is none.
   */
  #othersUntil(entry: number, child: number, now: number): number {
    const nodes = this.#nodes;
    const row = nodes.rowOf(entry >> 1);
    const arrival = this.#siblings.headArrival(2 * child + (entry & 1));
    let until = -Infinity;
    for (let device = 0; device < nodes.devicesInUse; device++) {
      const node = nodes.nodeOf(row, device);
      if (node === entry >> 1) continue;
      for (let other = 2 * node; other < 2 * node + OP_CLASSES; other++) {
        const committed = nodes.committed[other];
        if (committed === NONE || nodes.readyTime[other] === Infinity) continue;
        if ((other & 1) !== (entry & 1) && !this.sharesBuckets(node)) continue;
        if (this.#siblings.headArrival(2 * committed + (other & 1)) >= arrival) continue;
        if (this.#isHeldUp(other)) continue;
        until = Math.max(until, this.#committedUntil(other), now + LOOK_AGAIN);
      }
    }
    return until;
  }

  /**
   * A group above an entry sends something else first, or nothing of this class. Nobody waits for what such an entry
   * is committed to: it may wait in turn, through what is sent first, for whoever would wait.
   */
  #isHeldUp(from: number): boolean {
    const { parent, readyTime, committed } = this.#nodes;
    let child = from >> 1;
    for (let node = parent[child]; node !== NONE; child = node, node = parent[child]) {
      const entry = 2 * node + (from & 1);
      if (readyTime[entry] === Infinity) return true;
      if (committed[entry] !== NONE && committed[entry] !== child) return true;
    }
    return false;
  }

  /** Time in ns from which the committed request of an entry may go, as far up as it is next. */
  #committedUntil(from: number): number {
    const { parent, readyTime, committed } = this.#nodes;
    const opClass = from & 1;
    let until = readyTime[from];
    let child = from >> 1;
    for (let node = parent[child]; node !== NONE; child = node, node = parent[child]) {
      const entry = 2 * node + opClass;
      const isNext =
        !this.#siblings.hasEligible(entry) && this.#siblings.nextChild(entry) === child;
      if (committed[entry] !== child && !isNext) return until;
      until = Math.max(until, readyTime[entry]);
    }
    return until;
  }
}
