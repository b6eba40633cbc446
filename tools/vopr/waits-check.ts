import { RATES, type RateKey } from '../../src/throttle/limits.js';
import type { Group, Throttle } from '../../src/throttle/throttle.js';
import { Failure } from './world.js';

/** A request may pass this long before all of its cost has leaked away, nanoseconds. */
const ALLOWANCE_NS = 10e6;
/** A request that could go may be this late, nanoseconds. */
const LATE_NS = 2e6;

interface Waiting {
  member: number;
  direction: number;
  device: number;
  bytes: number;
  /** Since when it is the first of its queue, nanoseconds. */
  headNs: number;
}

/**
 * Looks whether a request waits longer than its limits ask for. That is certain only where all that wait
 * are of one queue (the reads, or the writes and discards, of a member on a device), there is a place in flight, and
 * no minimum, latency target, burst or change of a limit is about.
 */
export class WaitsCheck {
  readonly #throttle: Throttle;
  readonly #waiting = new Map<number, Waiting>();
  /** When each bucket has leaked empty, by its group and rate. */
  readonly #emptyNs = new Map<Group, Map<RateKey, number>>();
  /** Groups whose limits have changed while they had some: their buckets are not known. */
  readonly #changed = new Set<Group>();
  #inFlight = 0;
  #isPlain = true;
  #isDebtKnown = true;
  /** Since when it is certain that the first request may go as soon as its limits let it; Infinity: it is not. */
  #certainNs = Infinity;

  /** @param before That of the daemon whose place another one takes; null: there was none. */
  constructor(throttle: Throttle, before: WaitsCheck | null) {
    this.#throttle = throttle;
    if (before !== null) this.#goOn(before);
    const { submit, next, cancel, complete, drain } = throttle;
    throttle.submit = (request, member, direction, bytes, now, device = 0) => {
      const isAdmitted = submit.call(throttle, request, member, direction, bytes, now, device);
      const one = { member, direction, device, bytes, headNs: now };
      if (isAdmitted) this.#admit(one, now);
      else this.#waiting.set(request, one);
      this.#look(now);
      return isAdmitted;
    };
    throttle.next = (now) => {
      const request = next.call(throttle, now);
      this.#checkFirst(now);
      const one = this.#waiting.get(request);
      if (one !== undefined) {
        this.#leave(request, now);
        this.#admit(one, now);
      }
      this.#look(now);
      return request;
    };
    throttle.cancel = (request) => {
      const isCancelled = cancel.call(throttle, request);
      if (isCancelled) this.#restart(request);
      return isCancelled;
    };
    throttle.complete = (request, now) => {
      complete.call(throttle, request, now);
      this.#inFlight--;
      this.#look(now);
    };
    throttle.drain = () => {
      drain.call(throttle);
      this.#isPlain = false;
    };
    this.#watchChanges();
  }

  /** What groups owed, they owe. */
  #goOn(before: WaitsCheck): void {
    this.#isPlain = before.#isPlain;
    this.#isDebtKnown = before.#isDebtKnown;
    for (const { path } of before.#changed) {
      const group = this.#throttle.findGroup(path);
      if (group !== undefined) this.#changed.add(group);
    }
    for (const [{ path }, empty] of before.#emptyNs) {
      const group = this.#throttle.findGroup(path);
      if (group !== undefined) this.#emptyNs.set(group, empty);
    }
  }

  /** The data plane was held: what waits has waited for that, too. */
  wentOn(): void {
    this.#restart(-1);
  }

  /** The daemon before has died: no time counts as passed for groups with limits, and what they owed is not known here. */
  died(): void {
    this.#isDebtKnown = false;
  }

  #watchChanges(): void {
    const throttle = this.#throttle;
    const { setLimits, setBursts, setMinimum, setLatencyTarget } = throttle;
    const { moveMember, createGroup, removeGroup } = throttle;
    throttle.setLimits = (group, limits, now) => {
      if (RATES.some((key) => group.limits[key] !== Infinity)) this.#changed.add(group);
      setLimits.call(throttle, group, limits, now);
      // A bucket of before the limit has neither debt nor credit.
      this.#emptyNs.delete(group);
      this.#restart(-1);
    };
    throttle.setBursts = (group, bursts, now) => {
      setBursts.call(throttle, group, bursts, now);
      this.#isPlain = false;
    };
    throttle.setMinimum = (group, minimum, now) => {
      setMinimum.call(throttle, group, minimum, now);
      this.#isPlain = false;
    };
    throttle.setLatencyTarget = (group, target, now) => {
      setLatencyTarget.call(throttle, group, target, now);
      this.#isPlain = false;
    };
    throttle.moveMember = (member, group, now) => {
      moveMember.call(throttle, member, group, now);
      this.#restart(-1);
    };
    throttle.createGroup = (path) => {
      this.#restart(-1);
      return createGroup.call(throttle, path);
    };
    throttle.removeGroup = (path) => {
      this.#restart(-1);
      removeGroup.call(throttle, path);
    };
  }

  /** Nothing is certain up to the next look, when all heads are new. @param gone A request, or -1. */
  #restart(gone: number): void {
    this.#waiting.delete(gone);
    this.#certainNs = Infinity;
    for (const one of this.#waiting.values()) one.headNs = Infinity;
  }

  #look(now: number): void {
    const [first, ...others] = this.#waiting.values();
    const isCertain =
      first !== undefined &&
      this.#isPlain &&
      this.#inFlight < this.#throttle.depth &&
      !this.#throttle.isIdling &&
      others.every((one) => isSameQueue(one, first));
    if (first?.headNs === Infinity) first.headNs = now;
    if (!isCertain) this.#certainNs = Infinity;
    else if (this.#certainNs === Infinity) this.#certainNs = now;
  }

  /** A request has gone: the one behind it is the first of its queue. */
  #leave(request: number, now: number): void {
    const gone = this.#waiting.get(request)!;
    this.#waiting.delete(request);
    for (const one of this.#waiting.values()) {
      if (!isSameQueue(one, gone)) continue;
      one.headNs = now;
      return;
    }
  }

  #checkFirst(now: number): void {
    const [first] = this.#waiting.values();
    if (first === undefined || this.#certainNs === Infinity || !this.#isPlain) return;
    const { depth, isIdling } = this.#throttle;
    if (this.#inFlight >= depth || isIdling) return;
    const since = Math.max(this.#certainNs, first.headNs);
    let dueNs = since;
    for (const { group, key, costNs } of this.#costs(first)) {
      if (!this.#isDebtKnown || this.#changed.has(group) || group.limits.iopsSize > 0) return;
      const emptyNs = this.#emptyNs.get(group)?.get(key) ?? -Infinity;
      dueNs = Math.max(dueNs, Math.max(emptyNs, since) + costNs - ALLOWANCE_NS);
    }
    if (now <= dueNs + LATE_NS) return;
    const { path } = this.#throttle.memberGroup(first.member);
    const late = Math.round((now - dueNs) / 1e6);
    throw new Failure(`a request in group ${path || '/'} waits ${late} ms longer than its limits`);
  }

  /** While a request is the first of its queue, it keeps credit for its own cost, and none of before. */
  #admit(one: Waiting, now: number): void {
    this.#inFlight++;
    for (const { group, key, costNs } of this.#costs(one)) {
      let empty = this.#emptyNs.get(group);
      if (empty === undefined) {
        empty = new Map();
        this.#emptyNs.set(group, empty);
      }
      const before = empty.get(key) ?? -Infinity;
      empty.set(key, Math.max(before, Math.min(one.headNs, now), now - costNs) + costNs);
    }
  }

  /** What a request costs in each bucket on its path, as time in which that leaks away. */
  *#costs(one: Waiting): Generator<{ group: Group; key: RateKey; costNs: number }> {
    let group: Group | null = this.#throttle.memberGroup(one.member);
    for (; group !== null; group = group.parent) {
      for (const key of RATES) {
        const limit = group.limits[key];
        if (limit === Infinity || key[0] === (isRead(one) ? 'w' : 'r')) continue;
        const units = key.endsWith('bps') ? one.bytes : 1;
        yield { group, key, costNs: (units * 1e9) / limit };
      }
    }
  }
}

function isSameQueue(a: Waiting, b: Waiting): boolean {
  return a.member === b.member && a.device === b.device && isRead(a) === isRead(b);
}

function isRead({ direction }: Waiting): boolean {
  return direction === 0;
}
