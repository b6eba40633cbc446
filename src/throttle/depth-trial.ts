import { DepthLadder } from './depth-ladder.js';
import type { DepthMeter } from './depth-meter.js';
import { ThroughputComparison, UNDECIDED } from './throughput-comparison.js';

/** The window that is in force, with its measurements. */
export class DepthTrial {
  readonly meter: DepthMeter;
  readonly ladder: DepthLadder;
  readonly #comparison = new ThroughputComparison();
  #depth: number;
  /** Measurements at this window since it was set, and their means. */
  #measurements = 0;
  #partialBacklog = 0;
  #inflight = 0;

  /** @param max The largest window there can be. It is in force at first. */
  constructor(max: number, meter: DepthMeter) {
    this.meter = meter;
    this.ladder = new DepthLadder(max);
    this.#depth = max;
  }

  get depth(): number {
    return this.#depth;
  }

  /** Level of the window. */
  get level(): number {
    return this.ladder.levelFor(this.#depth);
  }

  /** Sets the window of a level. */
  set(level: number): void {
    this.#measurements = 0;
    this.#partialBacklog = 0;
    this.#inflight = 0;
    const depth = this.ladder.depthAt(level);
    if (depth === this.#depth) return;
    this.#depth = depth;
    this.meter.restart(depth);
  }

  /** Lifts the window. */
  lift(): void {
    this.set(this.ladder.last);
  }

  /** Takes in a measurement. True if there are `enough` of them at this window, with their means. */
  averaged(enough: number): boolean {
    const { partialBacklog, meanInflight } = this.meter;
    this.#measurements++;
    this.#partialBacklog += (partialBacklog - this.#partialBacklog) / this.#measurements;
    this.#inflight += (meanInflight - this.#inflight) / this.#measurements;
    return this.#measurements >= enough;
  }

  /** Mean partial backlog, after `averaged`. */
  get partialBacklog(): number {
    return this.#partialBacklog;
  }

  /** Mean number of requests in flight, after `averaged`. */
  get inflight(): number {
    return this.#inflight;
  }

  /** Compares the windows of two levels; the candidate shall keep the part `asked` of the base. */
  compare(base: number, candidate: number, asked: number, now: number): void {
    this.#comparison.begin(base, candidate, asked, now);
    this.set(base);
  }

  /** Level of the window whose comparison is under way. */
  get candidate(): number {
    return this.#comparison.candidate;
  }

  /** Level of the window that the comparison has just measured. */
  get compared(): number {
    return this.#comparison.level;
  }

  /** Takes in a measurement for the comparison. Returns UNDECIDED, ENOUGH or TOO_LITTLE. */
  verdict(now: number): number {
    const { rate, completions } = this.meter;
    const verdict = this.#comparison.measured(rate, completions, now);
    if (verdict === UNDECIDED) this.set(this.#comparison.level);
    return verdict;
  }
}
