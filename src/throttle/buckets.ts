import { type Bursts, NO_BURSTS, RATES } from './bursts.js';
import { grownFloat64, grownInt32 } from './fifo-lists.js';
import type { Limits } from './limits.js';

/**
 * How far ahead of its rate a bucket may be, in ns: 10 ms. A request that costs no more passes an
 * idle bucket at once; a larger one waits for the rest of its cost first.
 */
const ALLOWANCE = 10e6;

/** Rates of a group, each with a bucket for the plain limit and one for the burst's rate. */
const KINDS = RATES.length;
/** Buckets of a group: bucket number = group number * BUCKETS + kind, bursts behind the others. */
export const BUCKETS = 2 * KINDS;
const RBPS = 0;
const WBPS = 1;
const BPS = 2;
const RIOPS = 3;
const WIOPS = 4;
const IOPS = 5;

const withBursts = (kinds: number[]): number[] => [...kinds, ...kinds.map((kind) => kind + KINDS)];

/** Kinds of buckets that only reads use, and those that only writes and discards use. */
export const KINDS_OF_CLASS = [withBursts([RBPS, RIOPS]), withBursts([WBPS, WIOPS])] as const;
/** Kinds of buckets that both use. */
export const SHARED_KINDS = withBursts([BPS, IOPS]);

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
 * is kept is `need`, the cost of the largest first request of the queues that wait and will use the
 * bucket, and nothing if there is none. So two equal limits do not wait one after the other.
 *
 * A burst of RATE for SECONDS is more credit to keep, (RATE - limit) * SECONDS units, and a second
 * bucket that lets no more than RATE through. The credit is there at once when the burst is set, and
 * an idle group gets it back at the rate of the plain limit.
 */
export class Buckets {
  tat = new Float64Array(0);
  /** 1e9 / rate; 0: no limit. */
  private nsPerUnit = new Float64Array(0);
  /** Bytes in a unit, and the least units of a request: 1 and 0 in a bucket of bytes. */
  private unitBytes = new Float64Array(0);
  private leastUnits = new Float64Array(0);
  /** Queues with a waiting request that will use the bucket. */
  private claims = new Int32Array(0);
  /** Credit in ns that is kept. */
  private need = new Float64Array(0);
  /** Queues whose first request costs as much as `need`. */
  private savers = new Int32Array(0);
  /** Credit in ns that a burst keeps. */
  private burst = new Float64Array(0);

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
    this.burst = grownFloat64(this.burst, length, 0);
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

  /** Nobody waits for the bucket, and a request of `bytes` may pass it now. */
  isOpen(bucket: number, bytes: number, now: number): boolean {
    if (this.claims[bucket] > 0) return false;
    const tat = Math.max(this.tat[bucket], now - this.burst[bucket]);
    return tat + this.cost(bucket, bytes) - ALLOWANCE <= now;
  }

  /** Takes away credit that nobody waits for. */
  settle(bucket: number, time: number): void {
    this.tat[bucket] = Math.max(
      this.tat[bucket],
      time - Math.max(this.need[bucket], this.burst[bucket]),
    );
  }

  /** A request is first in its queue and will use the bucket: from `time` on it may save for that. */
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

  /** Undoes `save`. True: the largest is gone, and `need` is more than the others want. */
  unsave(bucket: number, bytes: number): boolean {
    return this.cost(bucket, bytes) >= this.need[bucket] && --this.savers[bucket] <= 0;
  }

  /** Before all who wait save again. */
  forgetNeed(bucket: number): void {
    this.need[bucket] = 0;
    this.savers[bucket] = 0;
  }

  /** How many queues have a waiting request that will use the bucket. */
  claimsOf(bucket: number): number {
    return this.claims[bucket];
  }

  charge(bucket: number, bytes: number, time: number): void {
    this.settle(bucket, time);
    this.tat[bucket] += this.cost(bucket, bytes);
  }

  claim(bucket: number): void {
    this.claims[bucket]++;
  }

  unclaim(bucket: number): void {
    if (--this.claims[bucket] === 0) this.forgetNeed(bucket);
  }

  /** Forgets who waits, to be told anew; `tat` stays. */
  forgetWaiters(): void {
    this.claims.fill(0);
    this.need.fill(0);
    this.savers.fill(0);
  }

  settleGroup(group: number, time: number): void {
    for (let kind = 0; kind < BUCKETS; kind++) this.settle(group * BUCKETS + kind, time);
  }

  settleAll(time: number): void {
    for (let bucket = 0; bucket < this.tat.length; bucket++) this.settle(bucket, time);
  }

  /** Sets all rates of a group. Debt and credit are kept in units, not in time. */
  setLimits(
    group: number,
    limits: Limits,
    now: number,
    bursts: Readonly<Bursts> = NO_BURSTS,
  ): void {
    for (let kind = 0; kind < KINDS; kind++) {
      const bucket = group * BUCKETS + kind;
      const rate = limits[RATES[kind]];
      const burst = bursts[RATES[kind]];
      this.setRate(bucket, rate === Infinity ? 0 : 1e9 / rate, now);
      this.setRate(bucket + KINDS, burst === null ? 0 : 1e9 / burst.rate, now);
      this.setBurst(
        bucket,
        burst === null ? 0 : ((burst.rate - rate) * burst.seconds * 1e9) / rate,
      );
      if (kind < RIOPS) continue;
      for (const one of [bucket, bucket + KINDS]) {
        this.leastUnits[one] = 1;
        this.unitBytes[one] = limits.iopsSize === 0 ? Infinity : limits.iopsSize;
      }
    }
  }

  /** A longer burst is there at once; what a shorter one leaves is lost when next settled. */
  private setBurst(bucket: number, credit: number): void {
    this.tat[bucket] -= Math.max(0, credit - this.burst[bucket]);
    this.burst[bucket] = credit;
  }

  private setRate(bucket: number, nsPerUnit: number, now: number): void {
    const old = this.nsPerUnit[bucket];
    if (old === nsPerUnit) return;
    const creditUnits = old === 0 ? 0 : (now - this.tat[bucket]) / old;
    this.tat[bucket] = now - creditUnits * nsPerUnit;
    this.nsPerUnit[bucket] = nsPerUnit;
  }
}
