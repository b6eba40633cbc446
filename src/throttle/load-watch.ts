/** A throughput that changes by more than this part, for this many measurements, is another load. */
const OTHER_LOAD = 0.25;
const OTHER_LOAD_FOR = 8;
/** Measurements in a row in which the window did not bind, until it is lifted. */
const UNBOUND_FOR = 8;
/**
 * Shortest time in ns from one search to the next, at first and while searches find the same. Shares
 * suffer while a search is under way.
 */
const AGAIN_FIRST = 1.5e9;
const AGAIN_LAST = 12e9;
/** Windows are the same if they differ by no more levels. */
const SAME = 2;

/** Watches whether the load is still the one that the window was found for. */
export class LoadWatch {
  /** Usual throughput; 0 if it is not known yet. */
  #rate = 0;
  #oddOnes = 0;
  #unbound = 0;
  #foundAt = -Infinity;
  #again = AGAIN_FIRST;
  #found = -1;

  /** Level of the window that the last search found. */
  get found(): number {
    return this.#found;
  }

  /** One group is alone: what comes later is another load. */
  reset(): void {
    this.#foundAt = -Infinity;
    this.#again = AGAIN_FIRST;
    this.#found = -1;
  }

  /** A search has found the window of `level`. */
  searched(level: number, now: number): void {
    const isSame = Math.abs(level - this.#found) <= SAME;
    this.#again = isSame ? Math.min(2 * this.#again, AGAIN_LAST) : AGAIN_FIRST;
    this.#found = level;
    this.#foundAt = now;
  }

  /** True if the last search is long enough ago for another one. */
  maySearch(now: number): boolean {
    return now >= this.#foundAt + this.#again;
  }

  /** A window is kept from now on. */
  begin(): void {
    this.#rate = 0;
    this.#oddOnes = 0;
    this.#unbound = 0;
  }

  /** Takes the next throughput for the usual one. */
  forgetRate(): void {
    this.#rate = 0;
  }

  /** Takes in the throughput of a measurement. True if this is another load. */
  isOther(rate: number): boolean {
    if (this.#rate === 0) this.#rate = rate;
    const isOdd = Math.abs(rate / this.#rate - 1) > OTHER_LOAD;
    this.#oddOnes = isOdd ? this.#oddOnes + 1 : 0;
    if (!isOdd) this.#rate += (rate - this.#rate) / 8;
    return this.#oddOnes >= OTHER_LOAD_FOR;
  }

  /** Takes in whether the window bound. True if it has not for long. */
  isUnbound(binds: boolean): boolean {
    this.#unbound = binds ? 0 : this.#unbound + 1;
    return this.#unbound >= UNBOUND_FOR;
  }
}
