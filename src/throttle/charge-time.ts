/**
 * The time as of which requests are charged to their buckets.
 *
 * A late timer loses nothing: a request is charged as of the time at which its limits would have let
 * it go had the caller come in time, and the credit of its bucket is judged as of then. Waiting for a
 * place in flight does lose credit, or a growing depth would let a burst through.
 */
export class ChargeTime {
  #time = 0;
  #isReset = false;

  /** Time in ns up to which everything that was due has been served. */
  get time(): number {
    return this.#time;
  }

  /** At `now` nothing is due from before. */
  advance(now: number): void {
    this.#time = Math.max(this.#time, now);
  }

  /** A request is charged that may go since `readySince`. */
  charge(readySince: number, now: number): void {
    this.#time = Math.min(now, Math.max(this.#time, readySince));
  }

  /** A request is charged as of `time`, from `forNewHead`. */
  set(time: number): void {
    this.#time = time;
  }

  /** A head was cancelled: from the next call on, credit is judged as of that call. */
  reset(): void {
    this.#isReset = true;
  }

  /** Call before anything is chosen. */
  begin(now: number): void {
    if (!this.#isReset) return;
    this.#isReset = false;
    this.#time = now;
  }

  /**
   * The time from which a request that comes at `now` keeps credit: `now`, or the time at which
   * something was due that is not served yet.
   *
   * @param wakeAt When the first waiting request may go, in ns.
   */
  forNewHead(wakeAt: number, now: number): number {
    return Math.min(now, Math.max(this.#time, wakeAt));
  }
}
