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
  readonly #threads = new Map<number, { member: number; expiresNs: number }>();
  readonly #lookUp: (thread: number) => number;
  #forgetAtNs = 0;

  /** @param lookUp Answers a member or NONE; asked once for a thread in its lifetime. */
  constructor(lookUp: (thread: number) => number) {
    this.#lookUp = lookUp;
  }

  /** The thread's member or NONE. */
  find(thread: number, nowNs: number): number {
    const known = this.#threads.get(thread);
    if (known !== undefined && nowNs < known.expiresNs) return known.member;
    const isFull = this.#threads.size === THREADS || nowNs >= this.#forgetAtNs;
    if (known === undefined && isFull) {
      this.#threads.clear();
      this.#forgetAtNs = nowNs + FORGET_AFTER_NS;
    }
    const entry = known ?? { member: 0, expiresNs: 0 };
    this.#threads.set(thread, entry);
    entry.member = this.#lookUp(thread);
    const lifetime = Math.max(LIFETIME_NS, this.#threads.size * PER_THREAD_NS);
    entry.expiresNs = nowNs + Math.min(LONGEST_NS, lifetime);
    return entry.member;
  }

  /** The rules have changed. */
  clear(): void {
    this.#threads.clear();
  }
}
