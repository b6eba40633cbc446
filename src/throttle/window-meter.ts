/** A measurement: 20 ms and 100 completions, or 1 s; at 75 K a second the error is about 3 %. */
const INTERVAL = 20e6;
const LEAST_COMPLETIONS = 100;
const LONGEST_INTERVAL = 1e9;
/** Before a measurement the applications must have noticed the new window: 10 ms at least. */
const SETTLE = 10e6;

/** Measures what a window does, one stretch of time after the other. Pure, and told of starts and completions only. */
export class WindowMeter {
  /** Completions of the measurement, and cost units per ns. */
  completions = 0;
  rate = 0;
  /** How long the measurement took, in ns. */
  length = 0;
  private since = 0;
  private units = 0;
  private inflight = 0;
  private full = 0;
  private starts = 0;
  private lackingStarts = 0;
  private limited = 0;
  private firstLeaf = -1;
  private others = 0;
  private depth = 0;
  private settling = 0;
  private setAt = -1;

  /** Part of the starts at which a group with requests in flight had none that waited. */
  get lack(): number {
    return this.starts === 0 ? 0 : this.lackingStarts / this.starts;
  }

  /** Mean number of requests in flight. */
  get meanInflight(): number {
    return this.inflight / this.completions;
  }

  /** The window was full for at least half of the time. */
  get binds(): boolean {
    return 2 * this.full >= this.completions;
  }

  /** For more than half of the time every group waited, but not for the window: for its limits. */
  get isLimited(): boolean {
    return 2 * this.limited > this.completions;
  }

  /** Only one group had requests. */
  get isAlone(): boolean {
    return this.others === 0;
  }

  /** The window is `depth` from now on: what the former one let in must leave first. */
  restart(depth: number): void {
    this.depth = depth;
    this.setAt = -1;
    this.settling = Math.min(2 * depth, LEAST_COMPLETIONS) + 1;
  }

  /**
   * A request takes a place. Counted here and not at completions: these come in batches, after
   * which the groups that wait may run out one by one.
   *
   * @param lacks A group with requests in flight has none that waits for the place.
   */
  started(lacks: boolean): void {
    this.starts++;
    if (lacks) this.lackingStarts++;
  }

  /**
   * A request of the group `leaf` has completed, at `now` in ns. True: a measurement is complete, and
   * to be looked at before the next call of this or of `begin`.
   *
   * @param units Its cost.
   * @param full The window was full.
   * @param lacks A group with requests in flight has none that waits.
   * @param inflight Requests in flight, this one included.
   */
  completed(
    leaf: number,
    units: number,
    full: boolean,
    lacks: boolean,
    inflight: number,
    now: number,
  ): boolean {
    if (this.settling > 0) {
      this.settle(inflight, now);
      return false;
    }
    this.units += units;
    this.completions++;
    this.inflight += inflight;
    if (full) this.full++;
    if (!lacks && !full) this.limited++;
    if (this.firstLeaf === -1) this.firstLeaf = leaf;
    if (leaf !== this.firstLeaf) this.others++;
    const length = now - this.since;
    if (length < INTERVAL) return false;
    if (this.completions < LEAST_COMPLETIONS && length < LONGEST_INTERVAL) return false;
    this.rate = this.units / length;
    this.length = length;
    // A pause says nothing about the device.
    if (length < 2 * LONGEST_INTERVAL) return true;
    this.begin(now);
    return false;
  }

  /** The next measurement begins. */
  begin(now: number): void {
    if (this.settling > 0) return;
    this.since = now;
    this.units = 0;
    this.completions = 0;
    this.inflight = 0;
    this.full = 0;
    this.starts = 0;
    this.lackingStarts = 0;
    this.limited = 0;
    this.firstLeaf = -1;
    this.others = 0;
  }

  private settle(inflight: number, now: number): void {
    if (this.setAt === -1) this.setAt = now;
    if (inflight <= this.depth) this.settling--;
    if (this.settling <= 0 && now - this.setAt < SETTLE) this.settling = 1;
    this.begin(now);
  }
}
