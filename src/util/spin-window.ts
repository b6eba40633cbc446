/** Below this a window is not worth the calls that it costs, nanoseconds. */
const SMALLEST_NS = 1000;
/**
 * Requests that come closer together than this are better taken in batches: at queue depth 32 they
 * come every 4.5 us, and taking each as it comes cost a fifth of the throughput (186 K against 224 K).
 */
const DENSE_NS = 10_000;
/** Weight of the newest gap in the average. */
const NEWEST = 1 / 8;

/**
 * How long to spin for the next request before sleeping. Waking a thread on an idle core costs 20 to
 * 50 us in a virtual machine, so spinning gains where requests come one by one and sooner than that, as
 * at queue depth 1 on a fast image (18 K without, 38 K with), and burns a core for nothing elsewhere.
 * The window follows what happened, as the kernel's halt polling does: a sleep that a spin would have
 * saved opens it, a longer one halves it.
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

  /** How long to spin now: 0 to the largest, nanoseconds. */
  get windowNs(): number {
    return this.#gapNs < DENSE_NS ? 0 : this.#openNs;
  }

  /** `count` requests have come in a turn. */
  received(count: number, nowNs: number): void {
    const gap = Math.min((nowNs - this.#lastNs) / count, this.#largestNs);
    this.#gapNs += (gap - this.#gapNs) * NEWEST;
    this.#lastNs = nowNs;
  }

  /** The thread has slept; the wait took this long from the last event on. */
  slept(waitedNs: number): void {
    if (waitedNs <= this.#largestNs) this.#openNs = this.#largestNs;
    else if (this.#openNs > SMALLEST_NS) this.#openNs /= 2;
    else this.#openNs = 0;
  }
}
