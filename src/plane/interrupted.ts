import type { Requests } from './requests.js';
import { WAITING } from './requests.js';

/** How often callers that were interrupted are looked at, nanoseconds. */
const LOOK_EVERY_NS = 100e6;
/** A look costs 15 us. With many such callers they come less often, so that all cost 1 % of a core. */
const LOOK_EVERY_NS_EACH = 1.5e6;

/**
 * Waiting requests whose callers have had a signal. The kernel tells of the first one only
 * (FUSE_INTERRUPT), whatever it is: a timer's, SIGSTOP, a debugger's. No program expects EINTR from a
 * regular file, so such a request keeps its place, unless its caller is being killed; and whether it is
 * killed later has to be found out.
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

  /** When to look again, Infinity if nobody is watched. */
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
    // A number that is used again meanwhile is looked at in vain, and drops out when it goes.
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

  /** A caller in another pid namespace (thread 0) cannot be looked at: it keeps its place. */
  #isKilled(request: number): boolean {
    const thread = this.#requests.thread[request]!;
    return thread !== 0 && this.#isBeingKilled(thread);
  }
}
