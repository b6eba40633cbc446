/** Time for which an answer of /proc about a thread is used. A move to another cgroup is seen this late. */
const LIFETIME_NS = 100e6;
/**
 * A look-up costs 15 us of CPU, 30 with rules of both kinds. With many threads about each is used for
 * longer, 1 ms for each thread, so that all cost at most 1000 look-ups a second, 3 % of a core.
 */
const PER_THREAD_NS = 1e6;
const LONGEST_NS = 1e9;
/** Threads remembered; more, and all are forgotten. */
const THREADS = 4096;
/** All are forgotten this often, so that threads of the past do not count among those about. */
const FORGET_AFTER_NS = 10e9;

/**
 * The member by pid or cgroup of each thread that has called lately. A number is good for so short a
 * time that no later thread can have got it: the kernel gives out all others first.
 */
export class ThreadCache {
  readonly #places = new Map<number, number>();
  readonly #members = new Int32Array(THREADS);
  readonly #expires = new Float64Array(THREADS);
  readonly #lookUp: (thread: number) => number;
  #forgetAt = 0;

  /** @param lookUp Answers a member or NONE; asked once for a thread in its lifetime. */
  constructor(lookUp: (thread: number) => number) {
    this.#lookUp = lookUp;
  }

  /** The thread's member or NONE. */
  find(thread: number, nowNs: number): number {
    const place = this.#places.get(thread);
    if (place !== undefined && nowNs < this.#expires[place]!) return this.#members[place]!;
    return this.#renew(thread, place ?? this.#takePlace(thread, nowNs), nowNs);
  }

  /** The rules have changed. */
  clear(): void {
    this.#places.clear();
  }

  #renew(thread: number, place: number, nowNs: number): number {
    const member = this.#lookUp(thread);
    this.#members[place] = member;
    const wanted = Math.max(LIFETIME_NS, this.#places.size * PER_THREAD_NS);
    this.#expires[place] = nowNs + Math.min(LONGEST_NS, wanted);
    return member;
  }

  #takePlace(thread: number, nowNs: number): number {
    if (this.#places.size === THREADS || nowNs >= this.#forgetAt) {
      this.#places.clear();
      this.#forgetAt = nowNs + FORGET_AFTER_NS;
    }
    const place = this.#places.size;
    this.#places.set(thread, place);
    return place;
  }
}
