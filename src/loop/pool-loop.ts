import type { Memory } from '../buffers/memory.js';
import type { NativeSession } from '../fuse/native-session.js';
import type { ThreadPoolEngine } from '../host/thread-pool.js';
import type { TransferThread } from '../host/transfer-thread.js';
import type { Plane } from '../plane/plane.js';

/** setTimeout cannot wait longer: 2^31 - 1 milliseconds. */
const LONGEST_MS = 0x7fffffff;
/** How long the plane is idle before it gives memory back, milliseconds. */
const TRIM_AFTER_MS = 1000;

/** The parts that a loop ties together. */
export interface PoolLoopParts {
  plane: Plane;
  session: NativeSession;
  engine: Pick<ThreadPoolEngine, 'unplug'>;
  transfers: TransferThread | null;
  memory: Memory;
  /** Called at the end of each turn. */
  afterTurn: () => void;
}

/**
 * The data plane on the main thread's event loop. Whatever happens (a callback of libfuse, an
 * operation that ended, a timer) is taken in at once and asks for a turn; the turn comes when the
 * event loop has handed over all that was ready, and sends everything down together. It does not
 * spin: libfuse's threads need the processor more than we do.
 */
export class PoolLoop {
  readonly #parts: PoolLoopParts;
  #due = false;
  #isStopped = false;
  #busyMs = 0;
  #timer: NodeJS.Timeout | null = null;
  #trimTimer: NodeJS.Timeout | null = null;

  constructor(parts: PoolLoopParts) {
    this.#parts = parts;
  }

  /** Something happens now: reads the clock, and takes in the results of the thread of transfers. */
  begin(): void {
    const { plane, transfers } = this.#parts;
    this.#busyMs = performance.now();
    plane.beginTurn(this.#busyMs * 1e6);
    if (transfers?.settle() === true) this.#ask();
  }

  /** Something happens now, and a turn has to follow. */
  readonly wake = (): void => {
    this.begin();
    this.#ask();
  };

  #ask(): void {
    if (this.#due) return;
    this.#due = true;
    setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    if (this.#isStopped) return;
    const { plane, session, engine } = this.#parts;
    this.#due = true;
    const now = performance.now();
    plane.beginTurn(now * 1e6);
    // A request that starts may end at once and so free a place for another one.
    do {
      session.endTurn();
      plane.endTurn();
    } while (session.hasReplied);
    engine.unplug();
    this.#wantResults();
    this.#due = false;
    this.#arm(now);
    this.#parts.afterTurn();
  };

  /**
   * Asks the thread of transfers to report every result while a request may need one to go on: for a
   * place in the window or a lock. A request that waits for a limit needs none, and a mount may always
   * have some.
   */
  #wantResults(): void {
    const { plane, transfers } = this.#parts;
    if (transfers === null) return;
    const { requests, wakeAtNs, isIdling } = plane;
    const waitsForResults = wakeAtNs === Infinity || isIdling;
    transfers.want(waitsForResults && requests.count > transfers.underWay);
  }

  /**
   * One timer for the whole throttle. It may come a millisecond late: the budgets keep 10 ms, so the
   * rate does not suffer.
   */
  #arm(nowMs: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const wakeAtMs = this.#parts.plane.wakeAtNs / 1e6;
    if (wakeAtMs === Infinity) {
      this.#trimTimer ??= setTimeout(this.#trim, TRIM_AFTER_MS).unref();
      return;
    }
    const wait = Math.min(LONGEST_MS, Math.max(0, Math.floor(wakeAtMs - nowMs)));
    this.#timer = setTimeout(this.wake, wait);
  }

  /** Nothing is done any more, and no timer keeps the process alive. */
  stop(): void {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  readonly #trim = (): void => {
    const { plane, memory } = this.#parts;
    this.#trimTimer = null;
    if (plane.requests.count > 0 || performance.now() < this.#busyMs + TRIM_AFTER_MS) return;
    memory.trim();
    if (plane.pooled === 0) memory.trimPool();
  };
}
