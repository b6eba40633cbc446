import type { PlaneEvent } from './messages.js';
import type { Plane } from './plane.js';

/** The end of a data plane's work, in the two steps that a life cycle asks for. */
export class Ending {
  readonly #plane: Plane;
  readonly #tell: (event: PlaneEvent) => void;
  /** The step that ends when no request is under way any more. */
  #step: 'drain' | 'flush' | null = null;

  constructor(plane: Plane, tell: (event: PlaneEvent) => void) {
    this.#plane = plane;
    this.#tell = tell;
  }

  drain(): void {
    this.#plane.isReceiving = false;
    this.#step = 'drain';
    this.#plane.releaseWaiting();
  }

  flush(): void {
    this.#plane.startLastFlush();
    this.#step = 'flush';
  }

  /** After a turn: tells of a step that has ended. True if it was the flush. */
  look(): boolean {
    if (this.#step === null || this.#plane.requests.count > 0) return false;
    const isFlushed = this.#step === 'flush';
    this.#step = null;
    const { unflushed } = this.#plane.lastFlush;
    if (!isFlushed) this.#tell({ kind: 'drained' });
    else if (unflushed.length === 0) this.#tell({ kind: 'flushed' });
    else this.#tell({ kind: 'flush-failed', unflushed });
    return isFlushed;
  }
}
