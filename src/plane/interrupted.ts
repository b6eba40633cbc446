import type { Requests } from './requests.js';
import { WAITING } from './requests.js';

/** Interval between checks of interrupted callers, nanoseconds. */
const LOOK_EVERY_NS = 100e6;
/** A check costs 15 us. With many such callers checks are rarer, so that all cost 1 % of a core. */
const LOOK_EVERY_NS_EACH = 1.5e6;

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

  /** Calls `killed` for each watched request whose caller is being killed by now. */
  look(nowNs: number, killed: (request: number) => void): void {
    if (nowNs < this.#lookAtNs) return;
    // A number that was reused meanwhile is checked too, and dropped when its new request goes.
    const waiting = this.#watched.filter((request) => this.#requests.state[request] === WAITING);
    this.#watched = waiting.filter((request) => {
      const isKilled = this.#isKilled(request);
      if (isKilled) killed(request);
      return !isKilled;
    });
    const count = this.#watched.length;
    const pause = Math.max(LOOK_EVERY_NS, count * LOOK_EVERY_NS_EACH);
    this.#lookAtNs = count === 0 ? Infinity : nowNs + pause;
  }

  /** A caller in another pid namespace (thread 0) cannot be checked: its request keeps its place. */
  #isKilled(request: number): boolean {
    const thread = this.#requests.thread[request]!;
    return thread !== 0 && this.#isBeingKilled(thread);
  }
}
