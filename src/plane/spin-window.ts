/** Below this a window is not worth the calls that it costs, nanoseconds. */
const SMALLEST_NS = 1000;

/**
 * How long to spin before sleeping. Waking a thread on an idle core costs 20 to 50 us in a virtual
 * machine, so spinning for the next request gains where it comes sooner than that, as at queue depth 1
 * on a fast image, and burns a core for nothing where it comes later. The window follows what
 * happened, as the kernel's halt polling does: a sleep that a spin would have saved opens it, a
 * longer one halves it.
 */
export class SpinWindow {
  /** The window now, 0 to the largest, nanoseconds. */
  windowNs: number;
  readonly #largestNs: number;

  constructor(largestNs: number) {
    this.#largestNs = largestNs;
    this.windowNs = largestNs;
  }

  /** The thread has slept; the wait took this long from the last event on. */
  slept(waitedNs: number): void {
    if (waitedNs <= this.#largestNs) this.windowNs = this.#largestNs;
    else if (this.windowNs > SMALLEST_NS) this.windowNs /= 2;
    else this.windowNs = 0;
  }
}
