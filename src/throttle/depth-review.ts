import { type DepthCeiling, LEAST_CHOICE } from './depth-ceiling.js';
import { CHOICE_MEASUREMENTS, KEPT } from './depth-search.js';
import type { DepthTrial } from './depth-trial.js';
import { ENOUGH, UNDECIDED } from './throughput-comparison.js';

/** Steps from the ceiling to the window that is tried above it: half as large again. */
const STEPS_ABOVE = 4;

/**
 * States of a review. `above`: a window above the ceiling is tried. `compare`: the window, or the next
 * smaller one, is compared with the ceiling. `kept`: over, at `level`. `raised`: over, the ceiling is
 * higher than before and the window must be searched for below it.
 */
type State = 'above' | 'compare' | 'kept' | 'raised';

/**
 * Reviews a window that was found some time ago. Its ceiling may have been found in a bad moment, so a
 * window half as large again is tried first. Then the window is compared with the ceiling, to see
 * whether it keeps enough throughput, and whether the next smaller one would.
 */
export class DepthReview {
  readonly #trial: DepthTrial;
  readonly #ceiling: DepthCeiling;
  #state: State = 'kept';
  #level = 0;
  /** The ceiling has risen in this review, and the window is below it. */
  #hasRisen = false;

  constructor(trial: DepthTrial, ceiling: DepthCeiling) {
    this.#trial = trial;
    this.#ceiling = ceiling;
  }

  /** Level of the window, as far as the review has come. */
  get level(): number {
    return this.#level;
  }

  /** Begins the review of the window of `level`. Returns as `measured` does. */
  begin(level: number, now: number): State {
    this.#level = level;
    this.#hasRisen = false;
    this.#state = this.#tryAbove(now);
    return this.#state;
  }

  /** Takes in a measurement. Returns `kept` or `raised` when the review is over. */
  measured(now: number): State {
    this.#state = this.#state === 'above' ? this.#triedAbove(now) : this.#compared(now);
    return this.#state;
  }

  #tryAbove(now: number): State {
    const { last } = this.#trial.ladder;
    if (this.#ceiling.level === last) return this.#compareLevel(now);
    this.#trial.set(Math.min(this.#ceiling.level + STEPS_ABOVE, last));
    return 'above';
  }

  #triedAbove(now: number): State {
    const trial = this.#trial;
    const ceiling = this.#ceiling;
    if (!trial.averaged(CHOICE_MEASUREMENTS)) return 'above';
    if (trial.partialBacklog > LEAST_CHOICE) {
      return this.#hasRisen ? 'raised' : this.#compareLevel(now);
    }
    const wasCeiling = this.#level === ceiling.level;
    ceiling.raise(trial.level);
    this.#hasRisen = !wasCeiling;
    if (wasCeiling) this.#level = ceiling.level;
    return this.#tryAbove(now);
  }

  #compareLevel(now: number): State {
    const isBelow = this.#level < this.#ceiling.level;
    return this.#compare(isBelow ? this.#level : this.#level - 1, now);
  }

  #compare(candidate: number, now: number): State {
    if (candidate < 0) return 'kept';
    this.#trial.compare(this.#ceiling.level, candidate, KEPT, now);
    return 'compare';
  }

  #compared(now: number): State {
    const trial = this.#trial;
    this.#ceiling.follow(trial.meter.partialBacklog, trial.compared);
    const verdict = trial.verdict(now);
    if (verdict === UNDECIDED) return 'compare';
    const wasSmaller = trial.candidate < this.#level;
    // Enough as it is: try the next one down.
    if (!wasSmaller && verdict === ENOUGH) return this.#compare(this.#level - 1, now);
    if (verdict === ENOUGH) this.#level--;
    else if (!wasSmaller) this.#level++;
    return 'kept';
  }
}
