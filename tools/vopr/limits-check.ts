import { RATES, type RateKey } from '../../src/throttle/limits.js';
import type { Group, Throttle } from '../../src/throttle/throttle.js';
import { Failure } from './world.js';

/** A bucket that leaks at the limit holds this much of it, and the largest request, at most. */
const SLACK_S = 0.012;

/** Admissions until all callers of both groups have begun. */
const STARTING = 60;
/** Admissions after a change of a weight that were in their order before. */
const SETTLING = 8;
/** Groups that always have requests differ from their shares by one request of each, and by those in flight. */
const OFF_MAX = 12;

interface Bucket {
  key: RateKey;
  limit: number;
  /** What it holds besides the largest request. */
  spare: number;
  level: number;
  largest: number;
  atNs: number;
}

/** What a request costs in a bucket; 0: it is none of its. */
function costOf(key: RateKey, direction: number, bytes: number): number {
  if (key[0] === (direction === 0 ? 'w' : 'r')) return 0;
  return key.endsWith('bps') ? bytes : 1;
}

/** Looks at each admission of a throttle: once for each request, and within all limits. */
export class LimitsCheck {
  readonly counts = { reads: 0, writes: 0, discards: 0, bytes: 0 };
  /** Of the two groups `fair0` and `fair1`: whose requests were admitted, in order. */
  readonly #order: number[] = [];
  /** Their weights, each pair from a place in that order on. */
  readonly #weights: { from: number; weights: [number, number] }[] = [];
  /** From now on no limit holds. */
  isReleased = false;
  #throttle: Throttle;
  readonly #buckets = new Map<Group, Bucket[]>();

  readonly #waiting = new Map<number, { member: number; direction: number; bytes: number }>();
  readonly #admitted: (request: number) => number;
  /** What was admitted of late, by the id of the request. */
  readonly #recent = new Map<number, { group: Group; direction: number; bytes: number }>();

  /** @param admitted Called with each request that is admitted; returns its id. */
  constructor(throttle: Throttle, admitted: (request: number) => number) {
    this.#throttle = throttle;
    this.#admitted = admitted;
    this.#watch(throttle);
  }

  /** Goes on with the throttle of another daemon. What has been let go counts, what waits is asked for again. */
  goOn(throttle: Throttle): void {
    const before = [...this.#buckets];
    this.#buckets.clear();
    for (const [{ path }, buckets] of before) {
      const group = throttle.findGroup(path);
      if (group !== undefined) this.#buckets.set(group, buckets);
    }
    this.#waiting.clear();
    if (this.#weights.length > 0) {
      const weightOf = (index: number): number => throttle.findGroup(`fair${index}`)?.weight ?? 100;
      this.#weights.push({ from: this.#order.length, weights: [weightOf(0), weightOf(1)] });
    }
    this.#throttle = throttle;
    this.#watch(throttle);
  }

  /**
   * The daemon has died. Requests that it has not answered come again, and are admitted again: up to now they have got
   * nothing.
   */
  died(isWaiting: (unique: number) => boolean): void {
    for (const [unique, { group: own, direction, bytes }] of this.#recent) {
      if (!isWaiting(unique)) continue;
      for (let group: Group | null = own; group !== null; group = group.parent) {
        for (const bucket of this.#buckets.get(group) ?? []) {
          bucket.level = Math.max(0, bucket.level - costOf(bucket.key, direction, bytes));
        }
      }
    }
    this.#recent.clear();
  }

  /** Another daemon goes on after a death. */
  countAnew(throttle: Throttle): void {
    // Figures of the last moments are lost.
    const { rios, wios, dios, rbytes, wbytes, dbytes } = throttle.groupStats(throttle.root);
    const counted = { reads: rios, writes: wios, discards: dios, bytes: rbytes + wbytes + dbytes };
    for (const [name, count] of Object.entries(counted)) {
      if (count <= this.counts[name as keyof typeof counted]) continue;
      throw new Failure(`${count} ${name} are counted after a death, which were not made`);
    }
    Object.assign(this.counts, counted);
  }

  #watch(throttle: Throttle): void {
    const submitted = this.#waiting;
    const { submit, next, cancel, drain } = throttle;
    throttle.submit = (request, member, direction, bytes, now, device) => {
      const isAdmitted = submit.call(throttle, request, member, direction, bytes, now, device);
      if (isAdmitted) this.#admit(request, member, direction, bytes, now);
      else submitted.set(request, { member, direction, bytes });
      return isAdmitted;
    };
    throttle.next = (now) => {
      const request = next.call(throttle, now);
      if (request < 0) return request;
      const { member, direction, bytes } = submitted.get(request)!;
      this.#admit(request, member, direction, bytes, now);
      submitted.delete(request);
      return request;
    };
    throttle.cancel = (request) => {
      const isCancelled = cancel.call(throttle, request);
      if (isCancelled) submitted.delete(request);
      return isCancelled;
    };
    throttle.drain = () => {
      this.isReleased = true;
      drain.call(throttle);
    };
    const { setLimits, setBursts, setWeight } = throttle;
    throttle.setWeight = (group, weight) => {
      setWeight.call(throttle, group, weight);
      if (group.name.startsWith('fair')) this.#noteWeight(group.name === 'fair0' ? 0 : 1, weight);
    };
    throttle.setLimits = (group, limits, now) => {
      setLimits.call(throttle, group, limits, now);
      this.#buckets.delete(group);
    };
    throttle.setBursts = (group, bursts, now) => {
      setBursts.call(throttle, group, bursts, now);
      this.#buckets.delete(group);
    };
  }

  /** Requests that wait. */
  get waiting(): number[] {
    return [...this.#waiting.keys()];
  }

  #admit(request: number, member: number, direction: number, bytes: number, now: number): void {
    const unique = this.#admitted(request);
    const own = this.#throttle.memberGroup(member);
    this.#recent.set(unique, { group: own, direction, bytes });
    const { name } = own;
    if (name.startsWith('fair')) this.#order.push(name === 'fair0' ? 0 : 1);
    const { counts } = this;
    counts.bytes += bytes;
    if (direction === 0) counts.reads++;
    else if (direction === 1) counts.writes++;
    else counts.discards++;
    if (this.isReleased) return;
    const waiting = [...this.#waiting.values()].map((one) => one.bytes);
    const largest = Math.max(bytes, ...waiting);
    for (let group: Group | null = own; group !== null; group = group.parent) {
      for (const bucket of this.#bucketsOf(group)) {
        const { key } = bucket;
        const cost = costOf(key, direction, bytes);
        if (cost === 0) continue;
        const leaked = ((now - bucket.atNs) / 1e9) * bucket.limit;
        bucket.level = Math.max(0, bucket.level - leaked) + cost;
        bucket.atNs = now;
        // Requests that wait keep credit for the largest of them, which a smaller one may use.
        bucket.largest = Math.max(bucket.largest, key.endsWith('bps') ? largest : cost);
        if (bucket.level <= bucket.spare + bucket.largest) continue;
        const over = `${Math.round(bucket.level)} at ${bucket.limit}/s`;
        throw new Failure(`group ${group.path || '/'} exceeds its ${key}: ${over}`);
      }
    }
  }

  #noteWeight(index: 0 | 1, weight: number): void {
    const weights: [number, number] = [...(this.#weights.at(-1)?.weights ?? [100, 100])];
    weights[index] = weight;
    this.#weights.push({ from: this.#order.length, weights });
  }

  /**
   * Groups `fair0` and `fair1` have got what their weights say, over every stretch in which both had
   * requests and the same weights: from the first few admissions until one of them has made nearly all that it
   * makes.
   */
  checkShares(): void {
    const all: [number, number] = [0, 0];
    for (const index of this.#order) all[index]!++;
    // An empty image has nothing to read.
    if (Math.min(...all) < STARTING) return;
    const seen: [number, number] = [0, 0];
    let weighing = 0;
    let begin = STARTING;
    let first = 0;
    for (const [at, index] of this.#order.entries()) {
      while (weighing < this.#weights.length - 1 && this.#weights[weighing + 1]!.from <= at) {
        weighing++;
        begin = Math.max(STARTING, at + SETTLING);
      }
      seen[index]!++;
      // Some callers of the group have finished: it need not have requests all the time.
      if (seen.some((count, group) => count > all[group]! * 0.8)) break;
      if (at < begin) {
        first = seen[0];
        continue;
      }
      const { weights } = this.#weights[weighing]!;
      const since = at + 1 - begin;
      const off = seen[0] - first - (weights[0] / (weights[0] + weights[1])) * since;
      if (Math.abs(off) <= OFF_MAX) continue;
      const wrong = `of ${since} requests ${seen[0] - first} are of the first`;
      throw new Failure(`weights ${weights}, the ${weighing + 1}. of the run: ${wrong}`);
    }
  }

  #bucketsOf(group: Group): Bucket[] {
    let buckets = this.#buckets.get(group);
    if (buckets !== undefined) return buckets;
    buckets = [];
    this.#buckets.set(group, buckets);
    const { limits, bursts } = group;
    if (limits.iopsSize > 0) return buckets;
    for (const key of RATES) {
      const limit = limits[key];
      if (limit === Infinity) continue;
      const burst = bursts[key];
      const saved = burst === null ? 0 : Math.max(0, burst.rate - limit) * burst.seconds;
      buckets.push(newBucket(key, limit, saved));
      if (burst !== null) buckets.push(newBucket(key, burst.rate, 0));
    }
    return buckets;
  }
}

/** @param saved What an idle group has saved for its burst. */
function newBucket(key: RateKey, limit: number, saved: number): Bucket {
  return { key, limit, spare: limit * SLACK_S + saved, level: 0, largest: 0, atNs: -Infinity };
}
