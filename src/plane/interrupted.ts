import type { Requests } from './requests.js';
import { WAITING } from './requests.js';

/** Interval between checks of interrupted callers, nanoseconds. */
const LOOK_EVERY_NS = 100e6;
/** A check costs 15 us. With many such callers checks are rarer, so that all cost 1 % of a core. */
const LOOK_EVERY_NS_EACH = 1.5e6;
/** The most checks in a turn, so that no request waits longer than 1 ms for them. */
const CHECKS_AT_ONCE = 64;

/**
 * Waiting requests whose callers have had a signal. The kernel reports only the first signal of any
 * kind (FUSE_INTERRUPT). No program expects EINTR from a regular file, so a request keeps its place
 * unless its caller is being killed. Checks find out whether that happens later.
 */
export class Interrupted {
  readonly #requests: Requests;
  readonly #isBeingKilled: (thread: number) => boolean;
  #watched: number[] = [];
  #lookAtNs = Infinity;

  constructor(requests: Requests, isBeingKilled: (thread: number) => boolean) {
    this.#requests = requests;
    this.#isBeingKilled = isBeingKilled;
  }

  /** Time of the next check, Infinity if no request is watched. */
  get lookAtNs(): number {
    return this.#lookAtNs;
  }

  /** A caller was interrupted. True: it is being killed; false: it is watched from now on. */
  add(request: number, nowNs: number): boolean {
    if (this.#isKilled(request)) return true;
    if (!this.#watched.includes(request)) this.#watched.push(request);
    this.#lookAtNs = Math.min(this.#lookAtNs, nowNs + LOOK_EVERY_NS);
    return false;
  }

  /**
   * Calls `killed` for watched requests whose callers are being killed by now. Looks at some of them; the others
   * follow in the next calls.
   */
  look(nowNs: number, killed: (request: number) => void): void {
    if (nowNs < this.#lookAtNs) return;
    // A number that was reused meanwhile is checked too, and dropped when its new request goes.
    const count = this.#watched.length;
    const looked = this.#watched.splice(0, CHECKS_AT_ONCE);
    for (const request of looked) {
      if (this.#requests.state[request] !== WAITING) continue;
      if (this.#isKilled(request)) killed(request);
      else this.#watched.push(request);
    }
    const round = Math.max(LOOK_EVERY_NS, count * LOOK_EVERY_NS_EACH);
    const pause = (round * looked.length) / count;
    this.#lookAtNs = this.#watched.length === 0 ? Infinity : nowNs + pause;
  }

  /** A caller in another pid namespace (thread 0) cannot be checked: its request keeps its place. */
  #isKilled(request: number): boolean {
    const thread = this.#requests.thread[request]!;
    return thread !== 0 && this.#isBeingKilled(thread);
  }
}
