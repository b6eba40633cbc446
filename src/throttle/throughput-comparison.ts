/** Nothing is clear yet: measure on. */
export const UNDECIDED = 0;
/** The candidate reaches the part of the base's throughput that is asked for. */
export const ENOUGH = 1;
export const TOO_LITTLE = 2;

/** After this many pairs, or ns, the mean decides. */
const PAIRS = 8;
const LONGEST = 1.5e9;
/**
 * Fewer pairs decide if the mean differs by 1.5 times the standard error of the pairs, and by 8 %
 * after one pair, 4 % after two, and so on: the first few pairs know little of their own error.
 */
const ERRORS = 1.5;
const CLEAR_AT_ONCE = 0.08;
/** Part of the error of n completions, 1 / sqrt(n), that is forgiven in the end. */
const FORGIVEN = 0.5;

/**
 * Compares the throughput of two windows by measurements in turn, so that slow changes of the disk and
 * of its other users count for both.
 */
export class ThroughputComparison {
  #base = 0;
  #candidate = 0;
  #asked = 0;
  #startedAt = 0;
  #pairs = 0;
  #baseIsNext = true;
  #baseRate = 0;
  #sum = 0;
  #squares = 0;
  #completions = 0;

  /** Level of the window that is judged. */
  get candidate(): number {
    return this.#candidate;
  }

  /** Level of the window to measure next. */
  get level(): number {
    return this.#baseIsNext ? this.#base : this.#candidate;
  }

  /** @param asked Part of the base's throughput that is asked of the candidate. */
  begin(base: number, candidate: number, asked: number, now: number): void {
    this.#base = base;
    this.#candidate = candidate;
    this.#asked = asked;
    this.#startedAt = now;
    this.#pairs = 0;
    this.#baseIsNext = true;
    this.#sum = 0;
    this.#squares = 0;
    this.#completions = 0;
  }

  /** The window of `level` was measured. Returns UNDECIDED, ENOUGH or TOO_LITTLE. */
  measured(rate: number, completions: number, now: number): number {
    this.#completions += completions;
    this.#baseIsNext = !this.#baseIsNext;
    if (!this.#baseIsNext) {
      this.#baseRate = rate;
      return UNDECIDED;
    }
    const excess = rate / this.#baseRate - this.#asked;
    this.#pairs++;
    this.#sum += excess;
    this.#squares += excess * excess;
    return this.#verdict(now);
  }

  #verdict(now: number): number {
    const pairs = this.#pairs;
    const mean = this.#sum / pairs;
    if (pairs === PAIRS || now - this.#startedAt >= LONGEST) {
      return mean >= -FORGIVEN / Math.sqrt(this.#completions) ? ENOUGH : TOO_LITTLE;
    }
    const variance = Math.max(0, this.#squares / pairs - mean * mean);
    const error = pairs === 1 ? 0 : Math.sqrt(variance / (pairs - 1));
    if (Math.abs(mean) < Math.max(ERRORS * error, CLEAR_AT_ONCE / pairs)) return UNDECIDED;
    return mean > 0 ? ENOUGH : TOO_LITTLE;
  }
}
