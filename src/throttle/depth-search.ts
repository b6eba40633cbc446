import { type DepthCeiling, LEAST_CHOICE } from './depth-ceiling.js';
import type { DepthTrial } from './depth-trial.js';
import { ENOUGH, UNDECIDED } from './throughput-comparison.js';

/** Part of the ceiling's throughput that a smaller window must keep. */
export const KEPT = 0.97;
/**
 * Part of the throughput without a window that one must keep which leaves weights a choice, where a
 * larger one does not: who sets weights wants shares. It matters with few threads: 4 + 4 at a window
 * of 3 keep 72 % and a share of 79.8.
 */
const KEPT_FOR_CHOICE = 0.75;
/** Measurements of the requests in flight without a window, and of partial backlog at one. */
const OPEN_MEASUREMENTS = 3;
export const CHOICE_MEASUREMENTS = 2;

/** States of a search. */
type State = 'open' | 'choice' | 'worth' | 'knee' | 'found';

interface Step {
  /** Sets the window to be measured. Returns its own state, or the next if there is nothing to do. */
  readonly enter: (now: number) => State;
  /** Takes in a measurement. Returns its own state to measure on. */
  readonly measured: (now: number) => State;
}

/**
 * The search for the window, by bisection. Partial backlog is seen exactly and at once, while
 * throughput is noise to some percent; so the search looks at partial backlog first.
 *
 *     state     measures                                  until                           then
 *     open      what is in flight without a window        3 measurements                  choice
 *     choice    partial backlog, by bisection             the largest window that leaves  worth, or knee if
 *                                                         a choice: the ceiling           no window is needed
 *     worth     throughput against that without a         the smallest window that keeps  knee
 *               window, by bisection from the ceiling     3 / 4: the floor
 *     knee      throughput against that of the ceiling,   the smallest window that keeps  found
 *               by bisection                              97 %
 */
export class DepthSearch {
  readonly #trial: DepthTrial;
  readonly #ceiling: DepthCeiling;
  #state: State = 'found';
  /** Levels between which the bisection searches. */
  #low = 0;
  #high = 0;
  readonly #steps: Readonly<Record<State, Step>> = {
    open: { enter: () => this.#lift(), measured: () => this.#measureOpen() },
    choice: { enter: () => this.#beginChoice(), measured: () => this.#narrowChoice() },
    worth: { enter: (now) => this.#beginWorth(now), measured: (now) => this.#narrowWorth(now) },
    knee: { enter: (now) => this.#beginKnee(now), measured: (now) => this.#narrowKnee(now) },
    found: { enter: () => 'found', measured: () => 'found' },
  };

  constructor(trial: DepthTrial, ceiling: DepthCeiling) {
    this.#trial = trial;
    this.#ceiling = ceiling;
  }

  /** Level of the window that was found. */
  get level(): number {
    return Math.min(this.#low, this.#ceiling.level);
  }

  /**
   * Begins a search, or the part of it from the knee on. True if the window is found at once.
   * A measurement must follow before `measured`.
   */
  begin(from: 'open' | 'knee', now: number): boolean {
    this.#state = 'found';
    return this.#go(from, now);
  }

  /** Takes in a measurement. True if the window is found. */
  measured(now: number): boolean {
    return this.#go(this.#steps[this.#state].measured(now), now);
  }

  #go(to: State, now: number): boolean {
    let next = to;
    while (next !== this.#state) {
      this.#state = next;
      next = this.#steps[next].enter(now);
    }
    return next === 'found';
  }

  #lift(): State {
    this.#trial.lift();
    return 'open';
  }

  /** More than is in flight without a window need not be tried. */
  #measureOpen(): State {
    const trial = this.#trial;
    if (!trial.averaged(OPEN_MEASUREMENTS)) return 'open';
    this.#ceiling.begin(trial.ladder.levelFor(trial.inflight));
    return 'choice';
  }

  #beginChoice(): State {
    this.#low = 0;
    this.#high = this.#ceiling.open;
    return this.#bisectChoice();
  }

  /** `low` leaves a choice, or is the least. */
  #bisectChoice(): State {
    if (this.#low < this.#high) {
      this.#trial.set((this.#low + this.#high + 1) >> 1);
      return 'choice';
    }
    this.#ceiling.found(this.#low);
    return this.#low === this.#ceiling.open ? 'knee' : 'worth';
  }

  #narrowChoice(): State {
    const trial = this.#trial;
    if (!trial.averaged(CHOICE_MEASUREMENTS)) return 'choice';
    if (trial.partialBacklog <= LEAST_CHOICE) this.#low = trial.level;
    else this.#high = trial.level - 1;
    return this.#bisectChoice();
  }

  #beginWorth(now: number): State {
    this.#high = this.#ceiling.open;
    return this.#compareOpen(this.#low, now);
  }

  #compareOpen(candidate: number, now: number): State {
    this.#trial.compare(this.#ceiling.open, candidate, KEPT_FOR_CHOICE, now);
    return 'worth';
  }

  /** The ceiling itself is compared first: if it is worth its throughput there is no floor. */
  #narrowWorth(now: number): State {
    const verdict = this.#trial.verdict(now);
    if (verdict === UNDECIDED) return 'worth';
    const { candidate } = this.#trial;
    if (verdict !== ENOUGH) this.#low = candidate + 1;
    else if (candidate === this.#ceiling.level) this.#high = this.#low;
    else this.#high = candidate;
    if (this.#low < this.#high) return this.#compareOpen((this.#low + this.#high) >> 1, now);
    this.#ceiling.foundFloor(this.#low);
    return 'knee';
  }

  #beginKnee(now: number): State {
    this.#low = 0;
    this.#high = this.#ceiling.level;
    return this.#bisectKnee(now);
  }

  #bisectKnee(now: number): State {
    if (this.#low >= this.#high) return 'found';
    this.#trial.compare(this.#ceiling.level, (this.#low + this.#high) >> 1, KEPT, now);
    return 'knee';
  }

  #narrowKnee(now: number): State {
    const trial = this.#trial;
    this.#ceiling.follow(trial.meter.partialBacklog, trial.compared);
    const verdict = trial.verdict(now);
    if (verdict === UNDECIDED) return 'knee';
    if (verdict === ENOUGH) this.#high = trial.candidate;
    else this.#low = trial.candidate + 1;
    return this.#bisectKnee(now);
  }
}
