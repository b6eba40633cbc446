import { grown } from '../util/growing.js';
import { type Burst, type Bursts, NO_BURSTS } from './bursts.js';
import { type Limits, RATES, type RateKey } from './limits.js';

/**
 * How far a bucket may run ahead of its rate, in ns. A request that costs no more passes an idle
 * bucket at once, so that small requests are not delayed one by one. A larger one waits for the rest.
 */
const ALLOWANCE = 10e6;

/** Rates of a group. Each has a bucket for its limit and one for the rate of its burst. */
const RATE_KINDS = RATES.length;
/** Buckets of a group: bucket = group * BUCKETS + kind. The buckets of bursts follow the others. */
export const BUCKETS = 2 * RATE_KINDS;

/** Kinds of the buckets of some rates, with those of their bursts. */
function kindsOf(...rates: RateKey[]): number[] {
  const kinds = rates.map((rate) => RATES.indexOf(rate));
  return [...kinds, ...kinds.map((kind) => kind + RATE_KINDS)];
}

/** The `tat` of all buckets, which other threads read at any time without a lock. */
export type Levels = Float64Array<SharedArrayBuffer>;

/**
 * For how many seconds a group could keep up its burst from now on.
 * @param group The number of the group, `limit` the limit that the burst is to, `nowNs` the throttle's time.
 */
export function burstSecondsLeft(
  levels: Levels,
  group: number,
  key: RateKey,
  limit: number,
  burst: Burst,
  nowNs: number,
): number {
  if (burst.rate <= limit) return burst.seconds;
  const credit = nowNs - levels[group * BUCKETS + RATES.indexOf(key)]!;
  // At its rate the burst takes burst.rate / limit seconds of the limit each second, and gets one.
  const left = credit / 1e9 / (burst.rate / limit - 1);
  return Math.min(burst.seconds, Math.max(0, left));
}

/** Kinds of buckets that only one class of operations uses, by class. */
export const KINDS_OF_CLASS = [kindsOf('rbps', 'riops'), kindsOf('wbps', 'wiops')] as const;
/** Kinds of buckets that both classes use. */
export const SHARED_KINDS = kindsOf('bps', 'iops');

/**
 * The leaky buckets of all groups, in the form of the generic cell rate algorithm. The level of a
 * bucket is kept as one number, `tat`: the time in ns at which the bucket runs empty. A `tat` in the
 * future is debt, a `tat` in the past is credit. A request may pass at `now` when
 *
 *     tat + cost - ALLOWANCE <= now          cost = units * 1e9 / rate
 *
 * and then adds its cost: `tat += cost`. There is no remainder to carry and no slice to round to, so
 * the long-run rate is exact to the fraction. A request waits for its own cost BEFORE it passes:
 * n requests take n / rate, even if n is 1.
 *
 * Credit is capped, or an idle bucket would save for a burst without bound. The cap is the cost of
 * the largest head of the queues that wait for the bucket, and 0 if no queue waits. The heads keep
 * their credit so that two equal limits let a request wait at both at the same time, not at one
 * after the other.
 *
 * A burst of RATE for SECONDS raises the cap to (RATE - limit) * SECONDS units and adds a second
 * bucket that passes no more than RATE. The credit is there as soon as the burst is set; an idle
 * group regains it at the rate of its limit.
 */
export class LeakyBuckets {
  #tat: Levels = new Float64Array(new SharedArrayBuffer(0));
  /** 1e9 / rate; 0 without a limit. */
  #nsPerUnit = new Float64Array(0);
  /** Bytes of a unit. */
  #unitBytes = new Float64Array(0);
  /** Least units of a request: 1 where requests are counted, 0 where bytes are. */
  #leastUnits = new Float64Array(0);
  /** Waiting queues whose head will pass the bucket. */
  #waiters = new Int32Array(0);
  /** Cost in ns of the largest head: credit that is kept for it. */
  #headCredit = new Float64Array(0);
  /** Queues whose head costs exactly as much. */
  #largestHeads = new Int32Array(0);
  /** Credit in ns that a burst keeps. */
  #burstCredit = new Float64Array(0);
  readonly #tell: (levels: Levels) => void;

  /** @param tell Called with the memory of the levels when it has grown, for readers in other threads. */
  constructor(tell: (levels: Levels) => void = () => {}) {
    this.#tell = tell;
  }

  /** Makes room; never shrinks. */
  grow(groups: number): void {
    const length = groups * BUCKETS;
    if (length > this.#tat.length) {
      const levels = new Float64Array(
        new SharedArrayBuffer(length * Float64Array.BYTES_PER_ELEMENT),
      );
      levels.set(this.#tat);
      this.#tat = levels;
      this.#tell(levels);
    }
    this.#nsPerUnit = grown(this.#nsPerUnit, length);
    this.#unitBytes = grown(this.#unitBytes, length, 1);
    this.#leastUnits = grown(this.#leastUnits, length);
    this.#waiters = grown(this.#waiters, length);
    this.#largestHeads = grown(this.#largestHeads, length);
    this.#headCredit = grown(this.#headCredit, length);
    this.#burstCredit = grown(this.#burstCredit, length);
  }

  isLimited(bucket: number): boolean {
    return this.#nsPerUnit[bucket] !== 0;
  }

  /** Time in ns that a request of `bytes` takes at the rate of the bucket. */
  cost(bucket: number, bytes: number): number {
    const units = Math.max(this.#leastUnits[bucket], bytes / this.#unitBytes[bucket]);
    return units * this.#nsPerUnit[bucket];
  }

  /** Time in ns from which a request of `bytes` may pass the bucket. */
  readyTime(bucket: number, bytes: number): number {
    return this.#tat[bucket] + this.cost(bucket, bytes) - ALLOWANCE;
  }

  /** True if no queue waits for the bucket and a request of `bytes` may pass it at `now`. */
  isOpen(bucket: number, bytes: number, now: number): boolean {
    if (this.#waiters[bucket] > 0) return false;
    const tat = Math.max(this.#tat[bucket], now - this.#burstCredit[bucket]);
    return tat + this.cost(bucket, bytes) - ALLOWANCE <= now;
  }

  /** Adds the cost of a request that passes at `time`. */
  charge(bucket: number, bytes: number, time: number): void {
    this.#capCredit(bucket, time);
    this.#tat[bucket] += this.cost(bucket, bytes);
  }

  /** The head of another queue waits for the bucket. Follow with `keepCredit`. */
  addWaiter(bucket: number): void {
    this.#waiters[bucket]++;
  }

  removeWaiter(bucket: number): void {
    if (--this.#waiters[bucket] === 0) this.dropHeadCredit(bucket);
  }

  /** Number of waiting queues whose head will pass the bucket. */
  waiters(bucket: number): number {
    return this.#waiters[bucket];
  }

  /** Lets a head of `bytes` keep credit for its cost, from `time` on. */
  keepCredit(bucket: number, bytes: number, time: number): void {
    const cost = this.cost(bucket, bytes);
    if (cost < this.#headCredit[bucket]) return;
    if (cost > this.#headCredit[bucket]) {
      this.#capCredit(bucket, time);
      this.#headCredit[bucket] = cost;
      this.#largestHeads[bucket] = 0;
    }
    this.#largestHeads[bucket]++;
  }

  /** Undoes `keepCredit`. True if the last of the largest heads is gone: the kept credit is stale. */
  releaseCredit(bucket: number, bytes: number): boolean {
    return (
      this.cost(bucket, bytes) >= this.#headCredit[bucket] && --this.#largestHeads[bucket] <= 0
    );
  }

  /** Keeps no credit until `keepCredit` is called for every head anew. */
  dropHeadCredit(bucket: number): void {
    this.#headCredit[bucket] = 0;
    this.#largestHeads[bucket] = 0;
  }

  /** Removes the waiters and their credit of all buckets; levels stay. */
  forgetWaiters(): void {
    this.#waiters.fill(0);
    this.#headCredit.fill(0);
    this.#largestHeads.fill(0);
  }

  /** Caps the credit of a group's buckets as of `time`. */
  capGroup(group: number, time: number): void {
    for (let kind = 0; kind < BUCKETS; kind++) this.#capCredit(group * BUCKETS + kind, time);
  }

  /** Caps the credit of all buckets as of `time`. */
  capAll(time: number): void {
    for (let bucket = 0; bucket < this.#tat.length; bucket++) this.#capCredit(bucket, time);
  }

  /** Sets all rates of a group. Debt and credit are carried over in units, not in time. */
  setLimits(
    group: number,
    limits: Limits,
    now: number,
    bursts: Readonly<Bursts> = NO_BURSTS,
  ): void {
    for (let kind = 0; kind < RATE_KINDS; kind++) {
      const bucket = group * BUCKETS + kind;
      const rate = limits[RATES[kind]];
      const burst = bursts[RATES[kind]];
      this.#setRate(bucket, rate === Infinity ? 0 : 1e9 / rate, now);
      this.#setRate(bucket + RATE_KINDS, burst === null ? 0 : 1e9 / burst.rate, now);
      this.#setBurst(
        bucket,
        burst === null ? 0 : ((burst.rate - rate) * burst.seconds * 1e9) / rate,
      );
      if (!RATES[kind].endsWith('iops')) continue;
      for (const one of [bucket, bucket + RATE_KINDS]) {
        this.#leastUnits[one] = 1;
        this.#unitBytes[one] = limits.iopsSize === 0 ? Infinity : limits.iopsSize;
      }
    }
  }

  /** How far the buckets of a group are ahead of `now` (debt) or behind it (credit), ns each. */
  levels(group: number, now: number): number[] {
    const first = group * BUCKETS;
    return Array.from(this.#tat.subarray(first, first + BUCKETS), (tat, kind) => {
      return Math.max(tat - now, -this.#creditKept(first + kind));
    });
  }

  /**
   * Puts the buckets of a group where `levels` has found them at `now`, under the same limits.
   * @param unseenNs For so long after `now` the group may have let pass all that its buckets allow: they are where that leaves them.
   */
  setLevels(group: number, levels: readonly number[], now: number, unseenNs = 0): void {
    for (const [kind, level] of levels.entries()) this.#tat[group * BUCKETS + kind] = now + level;
    if (unseenNs === 0) return;
    // What passes last does so by then.
    const last = now + unseenNs + ALLOWANCE;
    for (let kind = 0; kind < RATE_KINDS; kind++) {
      const bucket = group * BUCKETS + kind;
      const ofBurst = bucket + RATE_KINDS;
      let most = last;
      if (this.#burstCredit[bucket] > 0) {
        const passed = (last - this.#tat[ofBurst]) / this.#nsPerUnit[ofBurst];
        most = Math.min(last, this.#tat[bucket] + passed * this.#nsPerUnit[bucket]);
      }
      this.#tat[bucket] = Math.max(this.#tat[bucket], most);
      this.#tat[ofBurst] = Math.max(this.#tat[ofBurst], last);
    }
  }

  #capCredit(bucket: number, time: number): void {
    this.#tat[bucket] = Math.max(this.#tat[bucket], time - this.#creditKept(bucket));
  }

  #creditKept(bucket: number): number {
    return Math.max(this.#headCredit[bucket], this.#burstCredit[bucket]);
  }

  /** A longer burst gives its credit at once. A shorter one takes its credit at the next cap. */
  #setBurst(bucket: number, credit: number): void {
    this.#tat[bucket] -= Math.max(0, credit - this.#burstCredit[bucket]);
    this.#burstCredit[bucket] = credit;
  }

  #setRate(bucket: number, nsPerUnit: number, now: number): void {
    const old = this.#nsPerUnit[bucket];
    if (old === nsPerUnit) return;
    const creditUnits = old === 0 ? 0 : (now - this.#tat[bucket]) / old;
    this.#tat[bucket] = now - creditUnits * nsPerUnit;
    this.#nsPerUnit[bucket] = nsPerUnit;
  }
}
