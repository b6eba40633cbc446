/** A measurement takes 20 ms and 100 completions, or 1 s. At 75 K a second its error is about 3 %. */
const INTERVAL = 20e6;
const LEAST_COMPLETIONS = 100;
const LONGEST_INTERVAL = 1e9;
/** Least time in ns before the applications have noticed a new window. */
const SETTLE = 10e6;

/** Measures the effect of a window, one interval after the other. Pure: it sees starts and completions. */
export class DepthMeter {
  #completions = 0;
  #rate = 0;
  #length = 0;
  #since = 0;
  #cost = 0;
  #inflight = 0;
  #full = 0;
  #starts = 0;
  #partialStarts = 0;
  #limited = 0;
  #firstLeaf = -1;
  #others = 0;
  #depth = 0;
  /** Completions that still belong to the former window. */
  #settling = 0;
  #setAt = -1;

  /** Completions of the measurement. */
  get completions(): number {
    return this.#completions;
  }

  /** Throughput of the measurement, in cost units per ns. */
  get rate(): number {
    return this.#rate;
  }

  /** Length of the measurement in ns. */
  get length(): number {
    return this.#length;
  }

  /** Partial backlog: part of the starts at which a group with requests in flight had none that waits. */
  get partialBacklog(): number {
    return this.#starts === 0 ? 0 : this.#partialStarts / this.#starts;
  }

  /** Mean number of requests in flight. */
  get meanInflight(): number {
    return this.#inflight / this.#completions;
  }

  /** The window was full for at least half of the time. */
  get binds(): boolean {
    return 2 * this.#full >= this.#completions;
  }

  /** For more than half of the time every group waited for its limits, and not for the window. */
  get isLimited(): boolean {
    return 2 * this.#limited > this.#completions;
  }

  /** Only one group had requests. */
  get isAlone(): boolean {
    return this.#others === 0;
  }

  /** The window is `depth` from now on. Requests that the former one let in must leave first. */
  restart(depth: number): void {
    this.#depth = depth;
    this.#setAt = -1;
    this.#settling = Math.min(2 * depth, LEAST_COMPLETIONS) + 1;
  }

  /**
   * A request takes a place in flight. Partial backlog is counted here and not at completions: these
   * come in batches, after which the groups that wait may run out one by one.
   *
   * @param isPartial A group with requests in flight has none that waits for the place.
   */
  started(isPartial: boolean): void {
    this.#starts++;
    if (isPartial) this.#partialStarts++;
  }

  /**
   * A request of the group `leaf` has completed, at `now` in ns. True: a measurement is complete. Read
   * it before the next call of this or of `begin`.
   *
   * @param cost Its cost in units.
   * @param full The window was full.
   * @param isPartial A group with requests in flight has none that waits.
   * @param inflight Requests in flight, this one included.
   */
  completed(
    leaf: number,
    cost: number,
    full: boolean,
    isPartial: boolean,
    inflight: number,
    now: number,
  ): boolean {
    if (this.#settling > 0) {
      this.#settle(inflight, now);
      return false;
    }
    this.#cost += cost;
    this.#completions++;
    this.#inflight += inflight;
    if (full) this.#full++;
    if (!isPartial && !full) this.#limited++;
    if (this.#firstLeaf === -1) this.#firstLeaf = leaf;
    if (leaf !== this.#firstLeaf) this.#others++;
    const length = now - this.#since;
    if (length < INTERVAL) return false;
    if (this.#completions < LEAST_COMPLETIONS && length < LONGEST_INTERVAL) return false;
    this.#rate = this.#cost / length;
    this.#length = length;
    // A pause says nothing about the device.
    if (length < 2 * LONGEST_INTERVAL) return true;
    this.begin(now);
    return false;
  }

  /** Begins the next measurement. */
  begin(now: number): void {
    if (this.#settling > 0) return;
    this.#since = now;
    this.#cost = 0;
    this.#completions = 0;
    this.#inflight = 0;
    this.#full = 0;
    this.#starts = 0;
    this.#partialStarts = 0;
    this.#limited = 0;
    this.#firstLeaf = -1;
    this.#others = 0;
  }

  #settle(inflight: number, now: number): void {
    if (this.#setAt === -1) this.#setAt = now;
    if (inflight <= this.#depth) this.#settling--;
    if (this.#settling <= 0 && now - this.#setAt < SETTLE) this.#settling = 1;
    this.begin(now);
  }
}
