import type { Contenders } from './contenders.js';

/**
 * The window, or depth D of SFQ(D): the number of requests that may be in flight. It is a number that
 * somebody set, or the largest that leaves weights a choice (`auto`).
 */
export class Window {
  #depth: number;
  #inflight = 0;
  #fixed = 0;
  readonly #contenders: Contenders;
  readonly #max: number;

  /** @param max Requests that the caller can have in flight, whatever is set. */
  constructor(contenders: Contenders, max: number) {
    this.#contenders = contenders;
    this.#max = max;
    this.#depth = max;
  }

  get depth(): number {
    return this.#depth;
  }

  get mode(): 'auto' | number {
    return this.#fixed === 0 ? 'auto' : this.#fixed;
  }

  set mode(mode: 'auto' | number) {
    this.#fixed = mode === 'auto' ? 0 : mode;
    this.#depth = mode === 'auto' ? this.#max : Math.min(mode, this.#max);
  }

  get isAuto(): boolean {
    return this.#fixed === 0;
  }

  /** No place is free. */
  get isFull(): boolean {
    return this.#inflight >= this.#depth;
  }

  /** A request takes a place. */
  take(): void {
    this.#inflight++;
  }

  /** A request gives its place back. */
  giveBack(): void {
    this.#inflight--;
  }

  /** Follows the groups that contend. Call when completions are taken in, before anything is chosen. */
  follow(now: number): void {
    if (!this.#contenders.isDue(now)) return;
    const found = this.#contenders.look(this.#fixed, now);
    if (this.#fixed === 0) this.#depth = Math.min(found, this.#max);
  }
}
