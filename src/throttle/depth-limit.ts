import type { AutoDepth } from './auto-depth.js';

/**
 * The window, or depth D of SFQ(D): the number of requests that may be in flight. It is a number that
 * somebody set, or the one that the search finds (`auto`).
 */
export class DepthLimit {
  #depth: number;
  #inflight = 0;
  #isAuto = true;
  #fixed = 0;
  #wasFull = false;
  readonly #auto: AutoDepth;
  readonly #max: number;

  /** @param max Requests that the caller can have in flight, whatever is set. */
  constructor(auto: AutoDepth, max: number) {
    this.#auto = auto;
    this.#max = max;
    this.#depth = auto.depth;
  }

  get depth(): number {
    return this.#depth;
  }

  get mode(): 'auto' | number {
    return this.#isAuto ? 'auto' : this.#fixed;
  }

  set mode(mode: 'auto' | number) {
    this.#isAuto = mode === 'auto';
    this.#fixed = mode === 'auto' ? 0 : mode;
    this.#depth = mode === 'auto' ? this.#auto.depth : Math.min(mode, this.#max);
  }

  get isAuto(): boolean {
    return this.#isAuto;
  }

  /** No place is free. */
  get isFull(): boolean {
    return this.#inflight >= this.#depth;
  }

  /** A request takes a place. */
  take(): void {
    this.#inflight++;
    if (this.#inflight >= this.#depth) this.#wasFull = true;
  }

  /** A request gives its place back. */
  giveBack(): void {
    this.#inflight--;
  }

  /** Places are free, and no request may go for them. */
  noteSpare(): void {
    this.#wasFull = false;
  }

  /** See `DepthMeter.started`. Only for `auto`. */
  started(isPartial: boolean): void {
    this.#auto.started(isPartial);
  }

  /** See `DepthMeter.completed`. Only for `auto`, and after `giveBack`. */
  completed(leaf: number, cost: number, isPartial: boolean, now: number): void {
    // Callers take in several completions before they ask for more: all places were taken for each.
    this.#auto.completed(leaf, cost, this.#wasFull, isPartial, this.#inflight + 1, now);
    this.#depth = this.#auto.depth;
  }
}
