import type { LeaseState } from './figures.js';
import { exceeds, firstPart, larger, mapRates, type Rates, stepDown } from './rates.js';
import { LEASE_MS } from './script.js';

/** What a host tells the store. */
export interface Report {
  /** Of this mount and group; no other mount or group ever has it. */
  id: string;
  /** Grows by one with each report. */
  seq: number;
  weight: number;
  /** The host needs nothing any more. */
  leaves: boolean;
  limits: Rates;
  wants: Rates;
  /** At most this much passes on this host from now on until the next report. */
  held: Rates;
}

/** What the store answers. */
export interface Reply {
  state: 'granted' | 'learning' | 'stale' | 'left';
  /** Hosts that the store knows, with this one. */
  peers: number;
  grants: Rates;
}

/** How often a host reports. */
export const REPORT_MS = 100;

/** Without an answer for twice the usual time, the next report is sent. These are bounds of that time. */
const PATIENCE_MS = 300;
const PATIENCE_MAX_MS = 2000;

/**
 * A larger grant counts this much later. It is the allowance of a bucket (glossary): a rate that moves
 * from one host to another is nobody's for that long, which pays for the allowance of the new holder.
 */
export const RAISE_DELAY_MS = 10;

/** What the user has set for the group on this host. */
export interface LeaseTerms {
  id: string;
  weight: number;
  /** The part of the limits that holds without a grant, 0 to 1; null: an equal part for each host known. */
  safePart: number | null;
}

/** What the caller has to do now. */
export interface LeaseStep {
  /** Rates that shall hold from now on; confirm them with their number. */
  apply: { number: number; rates: Rates } | null;
  report: Report | null;
}

/**
 * What one host holds of one group's limit. Pure: times come in, steps come out. Times are in ms and
 * monotonic; nothing here compares the clocks of two machines.
 *
 * The rule that all else follows from: `held` of a report is never below what passes on this host, from
 * the moment at which the report is made until the answer to it or to a later one is here.
 */
export class Lease {
  readonly #terms: LeaseTerms;
  #limits: Rates;
  #state: LeaseState = 'starting';
  #peers = 0;
  /** An equal part for each host that is known. */
  #equalPart = firstPart(null);
  #wants: Rates;
  /** The rates that were applied last, and their number. */
  #rates: Rates;
  #number = 0;
  /** Nothing above this passes, whether or not the last rates are confirmed. */
  #bound: Rates;
  /** Larger rates, from `#raiseAt` on. */
  #raise: Rates | null = null;
  #raiseAt = Infinity;
  #expiresAt = Infinity;
  #seq = 0;
  #sentAt: number | null = null;
  #reportAt = -Infinity;
  #reported: Report | null = null;
  /** How long the answer to the last report is waited for. */
  #patience = PATIENCE_MS;
  #answeredAt = Number.NaN;
  #storeMs = Number.NaN;

  /** The group must hold `rates` already. */
  constructor(terms: LeaseTerms, limits: Rates) {
    this.#terms = terms;
    this.#limits = limits;
    this.#wants = mapRates(limits, () => 0);
    this.#rates = this.#safe();
    this.#bound = this.#rates;
  }

  get state(): LeaseState {
    return this.#state;
  }

  get rates(): Rates {
    return this.#rates;
  }

  get wants(): Rates {
    return this.#wants;
  }

  /** 0: never told. */
  get peers(): number {
    return this.#peers;
  }

  /** When the store answered last, NaN for never, and how long it took. */
  get answeredAt(): number {
    return this.#answeredAt;
  }

  get storeMs(): number {
    return this.#storeMs;
  }

  /** The limits of the group have changed. */
  setLimits(limits: Rates): void {
    this.#limits = limits;
  }

  /** When `turn` is to be called at the latest. */
  get dueAt(): number {
    const sendAt = this.#sentAt === null ? this.#reportAt : this.#sentAt + this.#patience;
    return Math.min(sendAt, this.#raiseAt, this.#expiresAt);
  }

  /** @param wants What the members of the group would use; see Demand. */
  turn(now: number, wants: Rates): LeaseStep {
    this.#wants = wants;
    const wasBound = this.#bound;
    let aim = this.#rates;
    if (now >= this.#expiresAt) {
      this.#state = 'safe';
      [this.#expiresAt, this.#raise, this.#raiseAt] = [Infinity, null, Infinity];
      aim = this.#safe();
    } else if (now >= this.#raiseAt) {
      aim = this.#raise!;
      [this.#raise, this.#raiseAt] = [null, Infinity];
    }
    const apply = this.#apply(mapRates(this.#limits, (d) => this.#withinLimit(aim[d]!, d)));
    const isLate = this.#sentAt !== null && now >= this.#sentAt + this.#patience;
    if (isLate) this.#patience = Math.min(2 * this.#patience, PATIENCE_MAX_MS);
    const isFree = this.#sentAt === null && (now >= this.#reportAt || this.#isUrgent(wasBound));
    return { apply, report: isLate || isFree ? this.#makeReport(now, false) : null };
  }

  /** The last report of all. By then no request may use the rates of the group. */
  leave(now: number): Report {
    return this.#makeReport(now, true);
  }

  /** The rates of this number hold now. Returns true if the store should know that soon. */
  confirmed(number: number, now: number): boolean {
    if (number !== this.#number) return false;
    this.#bound = this.#rates;
    const told = this.#reported?.held;
    if (told === undefined || !exceeds(told, this.#upper())) return false;
    this.#reportAt = now;
    return true;
  }

  /** The answer to the report of this number has come. Returns the rates to apply at once. */
  answered(seq: number, { state, peers, grants }: Reply, now: number): LeaseStep['apply'] {
    if (seq !== this.#seq || this.#sentAt === null) return null;
    const { held } = this.#reported!;
    this.#storeMs = now - this.#sentAt;
    this.#patience = Math.min(Math.max(PATIENCE_MS, 2 * this.#storeMs), PATIENCE_MAX_MS);
    const expiresAt = this.#sentAt + LEASE_MS;
    this.#sentAt = null;
    if (state === 'stale' || state === 'left' || now >= expiresAt) return null;
    [this.#answeredAt, this.#expiresAt, this.#state, this.#peers] = [now, expiresAt, state, peers];
    if (state === 'granted') this.#equalPart = 1 / peers;
    const safe = this.#safe();
    const aims = mapRates(this.#limits, (d) => {
      const grant = grants[d]! < 0 ? this.#rates[d]! : grants[d]!;
      const start = state === 'learning' ? Math.min(this.#wants[d]!, safe[d]!) : 0;
      return this.#withinLimit(Math.max(grant, start), d);
    });
    [this.#raise, this.#raiseAt] = [null, Infinity];
    if (exceeds(aims, this.#rates)) {
      [this.#raise, this.#raiseAt] = [aims, now + RAISE_DELAY_MS];
    }
    // At most `held`, as the store was told, may pass now. Larger rates follow at `#raiseAt`.
    return this.#apply(mapRates(aims, (d) => Math.min(aims[d]!, this.#rates[d]!, held[d]!)));
  }

  /** There will be no answer to the report of this number. */
  failed(seq: number): void {
    if (seq === this.#seq) this.#sentAt = null;
  }

  #apply(rates: Rates): LeaseStep['apply'] {
    if (rates.every((rate, place) => rate === this.#rates[place])) return null;
    this.#rates = rates;
    this.#bound = larger(this.#bound, rates);
    this.#number++;
    return { number: this.#number, rates };
  }

  /** The most that may pass between a report that is made now and its answer. */
  #upper(): Rates {
    return this.#raise === null ? this.#bound : larger(this.#bound, this.#raise);
  }

  /** Demand has come that was not reported, and that does not fit into what is held; or all demand has ended. */
  #isUrgent(bound: Rates): boolean {
    const told = this.#reported?.wants;
    if (told === undefined) return false;
    const hasEnded = this.#wants.every((want) => want <= 0) && told.some((want) => want > 0);
    return (
      hasEnded ||
      this.#wants.some((want, place) => want > bound[place]! && want > 1.5 * told[place]!)
    );
  }

  #makeReport(now: number, leaves: boolean): Report {
    const { id, weight } = this.#terms;
    this.#seq++;
    this.#sentAt = now;
    this.#reportAt = now + REPORT_MS;
    const wants = mapRates(this.#limits, (d) => Math.min(this.#wants[d]!, this.#limits[d]!));
    const held = mapRates(this.#limits, (d) => Math.max(0, this.#upper()[d]!));
    const report = { id, seq: this.#seq, weight, leaves, limits: this.#limits, wants, held };
    this.#reported = report;
    return report;
  }

  #safe(): Rates {
    const part = this.#terms.safePart ?? this.#equalPart;
    return mapRates(this.#limits, (d) => stepDown(part * this.#limits[d]!));
  }

  /** A rate that has had no limit so far begins with the safe one. */
  #withinLimit(rate: number, place: number): number {
    const limit = this.#limits[place]!;
    return Math.min(rate < 0 ? this.#safe()[place]! : rate, limit);
  }
}
