import { mapRates, NOT_SHARED, type Rates } from './rates.js';

/** How often a group's counters are looked at. */
export const SAMPLE_MS = 50;

/** Samples that are kept. They span a second, because large requests at a low rate do not pass in each sample. */
const SAMPLES = 20;

/** A group that used this part of its rate, while requests waited, is held back by that rate. */
const SATURATED = 0.8;

/** What a group that is not held back wants beside its use, so that it can grow. */
const HEADROOM = 1.25;

/** The counters of a group. */
export interface Usage {
  /** Requests and bytes since the mount, at the places of the rates. */
  used: Rates;
  /** Requests that wait now. */
  queued: number;
  /** Requests that are under way now. */
  inflight: number;
}

interface Sample {
  /** Per second. */
  use: Rates;
  /** Use over what was held. */
  part: Rates;
}

/** Tells from the counters of a group how much it would use, if it could. */
export class Demand {
  readonly #samples: Sample[] = [];
  #before: { now: number; used: Rates } | null = null;

  /**
   * @param held The rates that have held since the call before.
   * @param limits The limits of the whole group. A host that is held back wants all of them.
   */
  sample(now: number, { used, queued, inflight }: Usage, held: Rates, limits: Rates): Rates {
    const before = this.#before;
    this.#before = { now, used };
    if (before === null || now <= before.now) return mapRates(limits, () => 0);
    const seconds = (now - before.now) / 1000;
    const use = used.map((amount, place) => Math.max(0, amount - before.used[place]!) / seconds);
    const part = use.map((rate, place) => (held[place]! > 0 ? rate / held[place]! : 0));
    this.#samples.unshift({ use, part });
    this.#samples.splice(SAMPLES);
    const isHeld = queued > 0;
    // A group without requests, waiting or in flight, has stopped: its past does not count.
    const recent = this.#samples.slice(0, isHeld ? SAMPLES : inflight > 0 ? 2 : 1);
    return limits.map((limit, place) => {
      if (limit === NOT_SHARED) return limit;
      const most = Math.max(...recent.map((one) => one.use[place]!));
      const isStuck = recent.every((one) => one.use.every((rate) => rate === 0));
      const isFull = recent.some((one) => one.part[place]! >= SATURATED);
      if (isHeld && (isFull || isStuck)) return limit;
      return Math.min(limit, HEADROOM * most);
    });
  }
}
