import { PENDING } from '../../host/engine.js';
import { type Mapping, mapAnonymous } from '../../sys/memory.js';
import { type Resume, Waiters } from '../waiters.js';

/** The number of clusters of an image that can be copied at the same time. */
const BUFFERS = 8;
const ANY = 0;

/** Buffers in which clusters are assembled before they are written. */
export class ClusterBuffers {
  readonly #bytes: number;
  readonly #waiters: Waiters;
  readonly #free: Mapping[] = [];
  #made = 0;

  /** @param bytes Size of one buffer. Unused buffers take no memory. */
  constructor(bytes: number, resume: Resume) {
    this.#bytes = bytes;
    this.#waiters = new Waiters(resume);
  }

  /** Waits for a free buffer and takes it. */
  *take(request: number): Generator<number, Mapping, number> {
    for (;;) {
      const buffer = this.#free.pop();
      if (buffer !== undefined) return buffer;
      if (this.#made < BUFFERS) {
        this.#made++;
        return mapAnonymous(this.#bytes);
      }
      this.#waiters.add(ANY, request);
      yield PENDING;
    }
  }

  release(buffer: Mapping): void {
    this.#free.push(buffer);
    this.#waiters.wake(ANY);
  }
}
