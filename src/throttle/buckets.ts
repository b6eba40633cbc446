import { grownFloat64, grownInt32 } from './fifo-lists.js';
import type { Limits } from './limits.js';

/**
 * How far ahead of its rate a bucket may be, in ns: 10 ms. A request that costs no more passes an
 * idle bucket at once; a larger one waits for the rest of its cost first.
 */
const ALLOWANCE = 10e6;

/** Buckets of a group: bucket number = group number * BUCKETS + kind. */
export const BUCKETS = 6;
const RBPS = 0;
const WBPS = 1;
const BPS = 2;
const RIOPS = 3;
const WIOPS = 4;
const IOPS = 5;
const RATES = ['rbps', 'wbps', 'bps', 'riops', 'wiops', 'iops'] as const;

/** Kinds of buckets that reads use, and those that writes and discards use. */
export const KINDS_OF_CLASS = [
  [RBPS, BPS, RIOPS, IOPS],
  [WBPS, BPS, WIOPS, IOPS],
] as const;

/**
 * The leaky buckets of all groups, in the form of the generic cell rate algorithm: a bucket is one
 * number, `tat`, the time in ns at which everything charged so far has leaked out. Time before
 * `tat` is debt, time since is credit. A request may go at `now` when
 *
 *     tat + cost - ALLOWANCE <= now          cost = units * 1e9 / rate
 *
 * and is then charged: `tat += cost`. There is no remainder to carry and no slice to round to, so
 * the long-run rate is exact to the fraction. A request waits for its own cost BEFORE it goes
 * (QEMU admits first and pays later): n requests take n / rate, even if n is 1, as blktests
 * throtl/003 wants it (one 1 MiB request under 1 MiB/s takes 1 s).
 *
 * Credit is lost (`tat` is moved up), or an idle bucket would save for a burst without bound. What
 * is kept is `need`, the cost of the largest first request of the lanes that wait and will use the
 * bucket, and nothing if there is none. So two equal limits do not wait one after the other.
 */
export class Buckets {
  tat = new Float64Array(0);
  /** 1e9 / rate; 0: no limit. */
  private nsPerUnit = new Float64Array(0);
  /** Bytes in a unit, and the least units of a request: 1 and 0 in a bucket of bytes. */
  private unitBytes = new Float64Array(0);
  private leastUnits = new Float64Array(0);
  /** Lanes with a waiting request that will use the bucket. */
  private claims = new Int32Array(0);
  /** Credit in ns that is kept. */
  private need = new Float64Array(0);
  /** Lanes whose first request costs as much as `need`. */
  private savers = new Int32Array(0);
  /** Lane whose turn it is at this bucket, -1: none. */
  holder = new Int32Array(0);

  /** Makes room; never shrinks. Control path only. */
  grow(groups: number): void {
    const length = groups * BUCKETS;
    this.tat = grownFloat64(this.tat, length, 0);
    this.nsPerUnit = grownFloat64(this.nsPerUnit, length, 0);
    this.unitBytes = grownFloat64(this.unitBytes, length, 1);
    this.leastUnits = grownFloat64(this.leastUnits, length, 0);
    this.claims = grownInt32(this.claims, length, 0);
    this.savers = grownInt32(this.savers, length, 0);
    this.need = grownFloat64(this.need, length, 0);
    this.holder = grownInt32(this.holder, length, -1);
  }

  isLimited(bucket: number): boolean {
    return this.nsPerUnit[bucket] !== 0;
  }

  /** Time in ns that a request of `bytes` takes at the rate of the bucket. */
  cost(bucket: number, bytes: number): number {
    const units = Math.max(this.leastUnits[bucket], bytes / this.unitBytes[bucket]);
    return units * this.nsPerUnit[bucket];
  }

  /** When a request of `bytes` may pass this bucket. */
  readyTime(bucket: number, bytes: number): number {
    return this.tat[bucket] + this.cost(bucket, bytes) - ALLOWANCE;
  }

  /** Takes away credit that nobody waits for. */
  settle(bucket: number, time: number): void {
    this.tat[bucket] = Math.max(this.tat[bucket], time - this.need[bucket]);
  }

  /** A request is first in its lane and will use the bucket: from `time` on it may save for that. */
  save(bucket: number, bytes: number, time: number): void {
    const cost = this.cost(bucket, bytes);
    if (cost < this.need[bucket]) return;
    if (cost > this.need[bucket]) {
      this.settle(bucket, time);
      this.need[bucket] = cost;
      this.savers[bucket] = 0;
    }
    this.savers[bucket]++;
  }

  /** Undoes `save`. True: the largest is gone, and the other lanes must save again. */
  unsave(bucket: number, bytes: number): boolean {
    if (this.cost(bucket, bytes) < this.need[bucket] || --this.savers[bucket] > 0) return false;
    this.need[bucket] = 0;
    return this.claims[bucket] > 1;
  }

  charge(bucket: number, bytes: number, time: number): void {
    this.settle(bucket, time);
    this.tat[bucket] += this.cost(bucket, bytes);
  }

  claim(bucket: number): void {
    this.claims[bucket]++;
  }

  unclaim(bucket: number): void {
    this.claims[bucket]--;
  }

  /** Forgets who waits, to be told anew; `tat` stays. */
  forgetWaiters(): void {
    this.claims.fill(0);
    this.need.fill(0);
    this.savers.fill(0);
    this.holder.fill(-1);
  }

  settleAll(time: number): void {
    for (let bucket = 0; bucket < this.tat.length; bucket++) this.settle(bucket, time);
  }

  /** Sets all rates of a group. Debt and credit are kept in units, not in time. */
  setLimits(group: number, limits: Limits, now: number): void {
    for (let kind = 0; kind < BUCKETS; kind++) {
      const bucket = group * BUCKETS + kind;
      const rate = limits[RATES[kind]];
      this.setRate(bucket, rate === Infinity ? 0 : 1e9 / rate, now);
      if (kind < RIOPS) continue;
      this.leastUnits[bucket] = 1;
      this.unitBytes[bucket] = limits.iopsSize === 0 ? Infinity : limits.iopsSize;
    }
  }

  private setRate(bucket: number, nsPerUnit: number, now: number): void {
    const old = this.nsPerUnit[bucket];
    if (old === nsPerUnit) return;
    const creditUnits = old === 0 ? 0 : (now - this.tat[bucket]) / old;
    this.tat[bucket] = now - creditUnits * nsPerUnit;
    this.nsPerUnit[bucket] = nsPerUnit;
  }
}
