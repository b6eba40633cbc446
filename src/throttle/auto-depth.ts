import { DepthCeiling, LEAST_CHOICE } from './depth-ceiling.js';
import { DepthMeter } from './depth-meter.js';
import { DepthReview } from './depth-review.js';
import { DepthSearch } from './depth-search.js';
import { DepthTrial } from './depth-trial.js';
import { LoadWatch } from './load-watch.js';

/** Partial backlog beyond which weights have no choice that is worth a loss of throughput. */
const HOPELESS = 0.5;
/** Measurements at the floor until that is judged. */
const HOPELESS_AFTER = 8;
/** Time in ns from one review to the next, at first and while nothing changes. */
const REVIEW_FIRST = 0.5e9;
const REVIEW_LAST = 8e9;
/** On a slow disk a review takes seconds, and shares suffer: least measurements between reviews. */
const REVIEW_PAUSE = 25;
/** Time in ns without a window after a search that found none that binds. */
const REST = 2e9;

/**
 * `lifted`: there is no window. `search`: one is searched for. `kept`: one is in force, and follows
 * the ceiling. `review`: it is compared with others.
 */
type State = 'lifted' | 'search' | 'kept' | 'review';

/**
 * Finds the window of `io.depth auto`. Pure: it sees starts and completions.
 *
 * Weights can choose only while every group has a request that waits. The ceiling is the largest
 * window that leaves this choice; it is never below the floor, which keeps three quarters of the
 * throughput without a window. The window is the smallest one that keeps 97 % of the throughput of
 * the ceiling.
 *
 * While a single group has requests there is no window. The search begins when a second one comes, and
 * takes one to two seconds. A throughput that changes by a quarter starts it anew.
 */
export class AutoDepth {
  readonly #meter = new DepthMeter();
  readonly #trial: DepthTrial;
  readonly #ceiling = new DepthCeiling();
  readonly #search: DepthSearch;
  readonly #review: DepthReview;
  readonly #watch = new LoadWatch();
  #state: State = 'lifted';
  /** Level of the window that is kept. */
  #level = 0;
  #searchFrom = 0;
  #reviewAt = 0;
  #reviewEvery = REVIEW_FIRST;
  /** The step after a measurement in each state; it returns the next state. */
  readonly #steps: Readonly<Record<State, (now: number) => State>> = {
    lifted: (now) => (now >= this.#searchFrom ? this.#startSearch('open', now) : 'lifted'),
    search: (now) => (this.#search.measured(now) ? this.#found(now) : 'search'),
    kept: (now) => this.#keepOn(now),
    review: (now) => this.#reviewed(this.#review.measured(now), now),
  };

  /** @param max The largest window there can be, in requests. */
  constructor(max: number) {
    this.#trial = new DepthTrial(max, this.#meter);
    this.#search = new DepthSearch(this.#trial, this.#ceiling);
    this.#review = new DepthReview(this.#trial, this.#ceiling);
  }

  /** The window that is in force, in requests. */
  get depth(): number {
    return this.#trial.depth;
  }

  /** See `DepthMeter.started`. */
  started(isPartial: boolean): void {
    this.#meter.started(isPartial);
  }

  /** See `DepthMeter.completed`. The window may be another one afterwards. */
  completed(
    leaf: number,
    cost: number,
    full: boolean,
    isPartial: boolean,
    inflight: number,
    now: number,
  ): void {
    const meter = this.#meter;
    if (!meter.completed(leaf, cost, full, isPartial, inflight, now)) return;
    this.#state = this.#next(now);
    meter.begin(now);
  }

  #next(now: number): State {
    const meter = this.#meter;
    if (meter.isAlone) {
      this.#watch.reset();
      return this.#lift(0);
    }
    // Every group waits for a limit: the window does not bind.
    if (meter.isLimited) return this.#lift(now + REST);
    return this.#steps[this.#state](now);
  }

  #lift(searchFrom: number): State {
    this.#searchFrom = searchFrom;
    this.#trial.lift();
    return 'lifted';
  }

  #startSearch(from: 'open' | 'knee', now: number): State {
    return this.#search.begin(from, now) ? this.#found(now) : 'search';
  }

  #found(now: number): State {
    this.#watch.searched(this.#search.level, now);
    this.#reviewEvery = REVIEW_FIRST;
    return this.#keep(this.#search.level, now);
  }

  #keep(level: number, now: number): State {
    this.#level = level;
    this.#watch.begin();
    this.#reviewAt = now + Math.max(this.#reviewEvery, REVIEW_PAUSE * this.#meter.length);
    this.#trial.set(level);
    return 'kept';
  }

  #keepOn(now: number): State {
    const next = this.#watchLoad(now);
    return next === 'kept' && now >= this.#reviewAt ? this.#startReview(now) : next;
  }

  #watchLoad(now: number): State {
    const meter = this.#meter;
    const ceiling = this.#ceiling;
    if (this.#watch.isOther(meter.rate)) return this.#searchAgain(now);
    // A window that may become smaller binds as soon as it is.
    if (this.#watch.isUnbound(meter.binds || ceiling.canFall)) return this.#lift(now + REST);
    return ceiling.isHopeless ? 'kept' : this.#followCeiling(now);
  }

  #searchAgain(now: number): State {
    if (this.#watch.maySearch(now)) return this.#startSearch('open', now);
    this.#watch.forgetRate();
    return 'kept';
  }

  #followCeiling(now: number): State {
    const ceiling = this.#ceiling;
    const { ladder } = this.#trial;
    const wasCeiling = this.#level >= ceiling.level;
    ceiling.follow(this.#meter.partialBacklog, this.#level);
    if (ceiling.level < this.#level || (wasCeiling && ceiling.level > this.#level)) {
      this.#level = ceiling.level;
      this.#trial.set(this.#level);
    }
    if (ceiling.floor > 0 && this.#level === ceiling.floor) return this.#judgeFloor(now);
    // A window that is so much smaller may not be worth its throughput any more.
    const isSmall = 3 * ladder.depthAt(this.#level) < 2 * ladder.depthAt(this.#watch.found);
    return isSmall ? this.#searchAgain(now) : 'kept';
  }

  /** Gives up the choice of weights if even the floor leaves none. */
  #judgeFloor(now: number): State {
    const trial = this.#trial;
    if (!trial.averaged(HOPELESS_AFTER)) return 'kept';
    if (trial.partialBacklog > HOPELESS) {
      this.#ceiling.giveUp();
      return this.#startSearch('knee', now);
    }
    return trial.partialBacklog > 2 * LEAST_CHOICE ? this.#searchAgain(now) : 'kept';
  }

  #startReview(now: number): State {
    this.#reviewEvery = Math.min(2 * this.#reviewEvery, REVIEW_LAST);
    if (this.#ceiling.isHopeless) return this.#searchAgain(now);
    return this.#reviewed(this.#review.begin(this.#level, now), now);
  }

  #reviewed(outcome: ReturnType<DepthReview['measured']>, now: number): State {
    if (outcome === 'kept') return this.#keep(this.#review.level, now);
    return outcome === 'raised' ? this.#startSearch('knee', now) : 'review';
  }
}
