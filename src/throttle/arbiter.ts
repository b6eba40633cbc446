import { Buckets } from './buckets.js';
import { Chains, LANES } from './chains.js';
import { grownFloat64 } from './fifo-lists.js';
import type { Group } from './group.js';
import { NO_LIMITS } from './limits.js';
import { Parking } from './parking.js';
import { ReadyHeap } from './ready-heap.js';

/**
 * Decides which lane goes next. A lane is the reads or the writes of one group; all its requests
 * pass the same buckets, so only its first one counts. Reads are apart from writes so that they do
 * not wait behind a write that only a write limit holds.
 *
 * A small request is ready before a large one at the same bucket, every time: served by readiness
 * alone the large one would starve. So a lane that waits HOLDS the bucket that makes it wait; who
 * had a turn more recently may pass a held bucket only if that does not delay the holder (the rule
 * of EASY backfilling for batch queues). An older lane takes a hold over from a younger one, holds
 * last until the request goes, and a lane waits for older ones only: no deadlock, no starvation.
 *
 * A late timer loses nothing: a request is charged at `due`, the time at which it could have gone
 * had the caller come in time, and credit is judged as of then.
 *
 * A waiting lane is in the heap by ready time, or parked at a bucket until its holder is gone.
 * Cost of a request: O(log lanes + buckets). Lanes are two a group, however many members it has.
 */
export class Arbiter {
  readonly buckets = new Buckets();
  private readonly chains = new Chains();
  private readonly heap = new ReadyHeap(0);
  private readonly parking = new Parking();
  /** Length of the first waiting request of a lane. */
  private headBytes = new Float64Array(0);
  private turns = 0;
  /** Time in ns up to which all that was due has been served. */
  private due = 0;
  /** A first request was taken away: credit is judged as of the next call, whatever was due. */
  private restart = false;
  /** The last result of `readyTime`. */
  private latest = 0;
  /** Where the last `olderHolder` was found. */
  private heldBucket = -1;

  /** True if no group on the way has a limit for this lane. */
  isFree(lane: number): boolean {
    return this.chains.start[lane] === this.chains.end[lane];
  }

  /** Earliest time in ns at which a lane can be served; Infinity if none waits. */
  wakeAt(): number {
    const lane = this.heap.top();
    return lane === -1 ? Infinity : Math.max(0, this.heap.key[lane]);
  }

  /** A lane has its first waiting request. True: it may go at once. */
  enter(lane: number, bytes: number, now: number): boolean {
    const { buckets, chains } = this;
    const time = this.timeOf(now);
    for (let at = chains.start[lane]; at < chains.end[lane]; at++) {
      buckets.claim(chains.buckets[at]);
    }
    this.setHead(lane, bytes, time);
    this.heap.ticket[lane] = ++this.turns;
    if (!this.look(lane, now)) return false;
    this.due = time;
    return true;
  }

  /** The lane was served and has another request: its turn comes after all others'. */
  startTurn(lane: number, bytes: number, now: number): void {
    this.setHead(lane, bytes, this.due);
    this.heap.ticket[lane] = ++this.turns;
    // Judged at once, not when it comes up: a younger lane must not slip past in between.
    if (this.look(lane, now)) this.heap.set(lane, this.latest);
  }

  /** The lane to serve now, -1 if there is none: `wakeAt` is exact then. */
  choose(now: number): number {
    const { heap } = this;
    if (this.restart) this.restartAt(now);
    for (;;) {
      const lane = heap.top();
      if (lane === -1) return -1;
      const before = heap.key[lane];
      if (this.look(lane, now)) {
        this.due = Math.min(now, Math.max(this.due, this.latest));
        return lane;
      }
      // Other lanes' charges may have moved it back, or it is parked; if not, nobody is earlier.
      if (before > now && heap.top() === lane && heap.key[lane] <= before) return -1;
    }
  }

  /** The lane whose turn was longest ago, whatever the limits say; -1 if none waits. */
  chooseOldest(): number {
    return this.heap.top();
  }

  /** Charges the first request of the lane to all its buckets, and lets go of them. */
  charge(lane: number, now: number): void {
    const { buckets, chains } = this;
    const bytes = this.headBytes[lane];
    for (let at = chains.start[lane]; at < chains.end[lane]; at++) {
      const bucket = chains.buckets[at];
      buckets.charge(bucket, bytes, this.due);
      if (buckets.holder[bucket] === lane) buckets.holder[bucket] = -1;
    }
    this.dropHead(lane);
    for (let at = chains.start[lane]; at < chains.end[lane]; at++) {
      this.wakeParked(chains.buckets[at], now);
    }
  }

  /** The lane has no waiting request any more. */
  leave(lane: number): void {
    const { buckets, chains } = this;
    this.heap.remove(lane);
    for (let at = chains.start[lane]; at < chains.end[lane]; at++) {
      buckets.unclaim(chains.buckets[at]);
    }
  }

  /**
   * The first request of the lane was taken away. Whoever waited for it may go earlier than it
   * thought. Call `leave` or `replaceHead` next.
   */
  withdraw(lane: number): void {
    const { buckets, chains } = this;
    for (let at = chains.start[lane]; at < chains.end[lane]; at++) {
      const bucket = chains.buckets[at];
      if (buckets.holder[bucket] === lane) buckets.holder[bucket] = -1;
    }
    this.dropHead(lane);
    for (let other = 0; other < this.headBytes.length; other++) {
      if (this.waits(other)) this.putInHeap(other, this.readyTime(other));
    }
    this.restart = true;
  }

  /** After `withdraw`: the next request of the lane is first, in the same turn. */
  replaceHead(lane: number, bytes: number): void {
    this.setHead(lane, bytes, this.due);
    this.heap.set(lane, this.readyTime(lane));
  }

  /** For `chooseOldest`: puts the lanes in the order of their turns. */
  openAll(): void {
    this.buckets.holder.fill(-1);
    for (let lane = 0; lane < this.headBytes.length; lane++) {
      if (this.waits(lane)) this.putInHeap(lane, -Infinity);
    }
  }

  /** A lane was served after `openAll` and has another request. */
  startOpenTurn(lane: number): void {
    this.heap.ticket[lane] = ++this.turns;
    this.heap.set(lane, -Infinity);
  }

  /** A group without limits and waiters was made. No waiter is concerned. */
  groupsChanged(groups: readonly (Group | null)[]): void {
    const lanes = groups.length * LANES;
    this.headBytes = grownFloat64(this.headBytes, lanes, 0);
    this.heap.grow(lanes);
    this.parking.grow(groups.length);
    this.chains.rebuild(groups, this.buckets);
  }

  /** A group without waiters was removed. No waiter is concerned: the group had no children. */
  groupRemoved(group: number, groups: readonly (Group | null)[]): void {
    this.buckets.setLimits(group, NO_LIMITS, 0);
    this.groupsChanged(groups);
  }

  /** Call before a change of limits or members. */
  beforeChange(now: number): void {
    this.due = this.timeOf(now);
    this.buckets.settleAll(this.due);
  }

  /**
   * Call after a change of limits or members, with the length of the first waiting request of each
   * lane, -1 where none waits. Every waiter is judged anew; turns are kept.
   */
  afterChange(groups: readonly (Group | null)[], heads: Float64Array, now: number): void {
    const lanes = groups.length * LANES;
    this.groupsChanged(groups);
    this.buckets.forgetWaiters();
    for (let lane = 0; lane < lanes; lane++) this.readmit(lane, heads[lane]);
    for (let lane = 0; lane < lanes; lane++) {
      if (this.heap.has(lane)) this.look(lane, now);
    }
  }

  /** Puts a lane into the heap without taking credit away from its buckets. */
  private readmit(lane: number, bytes: number): void {
    const { buckets, chains } = this;
    const waited = this.waits(lane);
    this.heap.remove(lane);
    this.parking.unpark(lane);
    if (bytes === -1) return;
    if (!waited) this.heap.ticket[lane] = ++this.turns;
    for (let at = chains.start[lane]; at < chains.end[lane]; at++) {
      buckets.claim(chains.buckets[at]);
    }
    // Credit was settled before the change, so this only says what to keep from now on.
    this.setHead(lane, bytes, -Infinity);
    this.heap.set(lane, this.readyTime(lane));
  }

  /**
   * Judges a waiting lane. True: it may go now. False: its key in the heap says when to look again,
   * and it holds the bucket that is ready last unless it must wait for an older lane.
   */
  private look(lane: number, now: number): boolean {
    const { buckets, chains, heap } = this;
    const bytes = this.headBytes[lane];
    const ready = this.readyTime(lane);
    const older = this.olderHolder(lane, now);
    if (older === -1 && ready <= now) return true;
    if (older !== -1) {
      // Not until the ready time: right after the older one went this one must hold the bucket, or
      // the older one's next request would be served before it.
      heap.remove(lane);
      this.parking.park(lane, this.heldBucket, heap.ticket);
      return false;
    }
    for (let at = chains.start[lane]; at < chains.end[lane]; at++) {
      const bucket = chains.buckets[at];
      if (buckets.readyTime(bucket, bytes) === ready) this.hold(bucket, lane);
    }
    heap.set(lane, ready);
    return false;
  }

  /** Another request is first in the lane since `time`. */
  private setHead(lane: number, bytes: number, time: number): void {
    const { buckets, chains } = this;
    this.headBytes[lane] = bytes;
    for (let at = chains.start[lane]; at < chains.end[lane]; at++) {
      buckets.save(chains.buckets[at], bytes, time);
    }
  }

  /** The first request of the lane is gone, and what it saved with it. */
  private dropHead(lane: number): void {
    const { buckets, chains } = this;
    for (let at = chains.start[lane]; at < chains.end[lane]; at++) {
      const bucket = chains.buckets[at];
      if (buckets.unsave(bucket, this.headBytes[lane])) this.saveOthers(bucket, lane);
    }
  }

  /** Finds the largest first request again: seldom, for lanes tend to send requests of one size. */
  private saveOthers(bucket: number, gone: number): void {
    const { buckets, chains } = this;
    for (let lane = 0; lane < this.headBytes.length; lane++) {
      if (lane === gone || !this.waits(lane)) continue;
      for (let at = chains.start[lane]; at < chains.end[lane]; at++) {
        if (chains.buckets[at] !== bucket) continue;
        buckets.save(bucket, this.headBytes[lane], -Infinity);
      }
    }
  }

  private restartAt(now: number): void {
    this.restart = false;
    this.due = now;
  }

  /** `now`, or if something was due before that and is not served yet, the time when it was due. */
  private timeOf(now: number): number {
    if (this.restart) this.restartAt(now);
    return Math.min(now, Math.max(this.due, this.wakeAt()));
  }

  /** When all buckets let the first request of the lane pass, holds aside. */
  private readyTime(lane: number): number {
    const { buckets, chains } = this;
    const bytes = this.headBytes[lane];
    this.latest = -Infinity;
    for (let at = chains.start[lane]; at < chains.end[lane]; at++) {
      this.latest = Math.max(this.latest, buckets.readyTime(chains.buckets[at], bytes));
    }
    return this.latest;
  }

  /** An older lane that would be delayed if this one went now; -1 if there is none. */
  private olderHolder(lane: number, now: number): number {
    const { buckets, chains, heap } = this;
    const bytes = this.headBytes[lane];
    for (let at = chains.start[lane]; at < chains.end[lane]; at++) {
      const bucket = chains.buckets[at];
      const holder = buckets.holder[bucket];
      if (holder === -1 || heap.ticket[holder] >= heap.ticket[lane]) continue;
      const after = buckets.readyTime(bucket, this.headBytes[holder]) + buckets.cost(bucket, bytes);
      if (after <= Math.max(heap.key[holder], now)) continue;
      this.heldBucket = bucket;
      return holder;
    }
    return -1;
  }

  /** The holder of a bucket may be gone: the oldest parked lane follows, or goes elsewhere. */
  private wakeParked(bucket: number, now: number): void {
    while (this.buckets.holder[bucket] === -1) {
      const lane = this.parking.oldest(bucket);
      if (lane === -1) return;
      this.parking.unpark(lane);
      if (this.look(lane, now)) this.heap.set(lane, this.latest);
    }
  }

  private waits(lane: number): boolean {
    return this.heap.has(lane) || this.parking.has(lane);
  }

  private putInHeap(lane: number, key: number): void {
    this.parking.unpark(lane);
    this.heap.set(lane, key);
  }

  private hold(bucket: number, lane: number): void {
    const holder = this.buckets.holder[bucket];
    if (holder === -1 || this.heap.ticket[lane] < this.heap.ticket[holder]) {
      this.buckets.holder[bucket] = lane;
    }
  }
}
