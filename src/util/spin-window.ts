/** A shorter window saves less than it costs, nanoseconds. */
const SMALLEST_NS = 1000;
/**
 * Requests with shorter gaps are taken in batches. At queue depth 32 they come every 4.5 us; taking each
 * one at once cost a fifth of the throughput (186 K against 224 K).
 */
const DENSE_NS = 10_000;
/** Weight of the newest gap in the average. */
const NEWEST = 1 / 8;

/**
 * The time to spin for the next request before sleeping. Waking a thread on an idle core costs 20 to
 * 50 us in a virtual machine. Spinning helps if requests come one by one within that time, as at queue
 * depth 1 on a fast image (18 K without, 38 K with); otherwise it wastes a core. The window adapts, as
 * the kernel's halt polling does: a sleep shorter than the largest window opens it, a longer one halves
 * it.
 */
export class SpinWindow {
  readonly #largestNs: number;
  #openNs: number;
  /** Moving average of the time between requests, nanoseconds. */
  #gapNs = 0;
  #lastNs = 0;

  constructor(largestNs: number) {
    this.#largestNs = largestNs;
    this.#openNs = largestNs;
  }

  /** The time to spin now: 0 to the largest, nanoseconds. */
  get windowNs(): number {
    return this.#gapNs < DENSE_NS ? 0 : this.#openNs;
  }

  /** Tells that a turn has received `count` requests. */
  received(count: number, nowNs: number): void {
    const gap = Math.min((nowNs - this.#lastNs) / count, this.#largestNs);
    this.#gapNs += (gap - this.#gapNs) * NEWEST;
    this.#lastNs = nowNs;
  }

  /** Tells that the thread has slept; `waitedNs` counts from the last event. */
  slept(waitedNs: number): void {
    if (waitedNs <= this.#largestNs) this.#openNs = this.#largestNs;
    else if (this.#openNs > SMALLEST_NS) this.#openNs /= 2;
    else this.#openNs = 0;
  }
}
