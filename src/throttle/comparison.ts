/** Nothing is known yet: measure on. */
export const UNDECIDED = 0;
/** The candidate reaches the part of the other's throughput that is asked for. */
export const ENOUGH = 1;
export const TOO_LITTLE = 2;

/** After so many pairs, or so many ns, it is decided one way or the other. */
const PAIRS = 8;
const LONGEST = 1.5e9;
/**
 * How clear it must be for less: 1.5 times the standard error of the pairs so far, and 8 % after one
 * pair, 4 % after two, and so on: the first few pairs know little of their own error.
 */
const ERRORS = 1.5;
const CLEAR_AT_ONCE = 0.08;
/** Part of the error of n completions, 1 / sqrt(n), that is forgiven in the end: half. */
const FORGIVEN = 0.5;

/**
 * Compares the throughput of two windows by measurements in turn, so that what changes slowly (the disk,
 * its other users) changes for both.
 */
export class Comparison {
  /** Levels of the windows on the ladder. */
  base = 0;
  candidate = 0;
  private limit = 0;
  private startedAt = 0;
  private pairs = 0;
  private baseIsNext = true;
  private baseRate = 0;
  private sum = 0;
  private squares = 0;
  private completions = 0;

  /** The level to measure next. */
  get level(): number {
    return this.baseIsNext ? this.base : this.candidate;
  }

  /** @param limit Part of the base's throughput that is asked of the candidate. */
  begin(base: number, candidate: number, limit: number, now: number): void {
    this.base = base;
    this.candidate = candidate;
    this.limit = limit;
    this.startedAt = now;
    this.pairs = 0;
    this.baseIsNext = true;
    this.sum = 0;
    this.squares = 0;
    this.completions = 0;
  }

  /** The window of `level` has been measured. */
  measured(rate: number, completions: number, now: number): number {
    this.completions += completions;
    this.baseIsNext = !this.baseIsNext;
    if (!this.baseIsNext) {
      this.baseRate = rate;
      return UNDECIDED;
    }
    const excess = rate / this.baseRate - this.limit;
    this.pairs++;
    this.sum += excess;
    this.squares += excess * excess;
    return this.verdict(now);
  }

  private verdict(now: number): number {
    const { pairs } = this;
    const mean = this.sum / pairs;
    if (pairs === PAIRS || now - this.startedAt >= LONGEST) {
      return mean >= -FORGIVEN / Math.sqrt(this.completions) ? ENOUGH : TOO_LITTLE;
    }
    const variance = Math.max(0, this.squares / pairs - mean * mean);
    const error = pairs === 1 ? 0 : Math.sqrt(variance / (pairs - 1));
    if (Math.abs(mean) < Math.max(ERRORS * error, CLEAR_AT_ONCE / pairs)) return UNDECIDED;
    return mean > 0 ? ENOUGH : TOO_LITTLE;
  }
}
