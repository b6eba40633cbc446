import { PENDING } from '../../host/engine.js';
import { type Mapping, mapAnonymous } from '../../sys/memory.js';
import { type Resume, Waiters } from '../waiters.js';

/** Clusters that are being copied at once, of an image. */
const BUFFERS = 8;
const ANY = 0;

/** Memory in which clusters are put together before they are written. */
export class ClusterBuffers {
  readonly #bytes: number;
  readonly #waiters: Waiters;
  readonly #free: Mapping[] = [];
  #made = 0;

  /** @param bytes Of one buffer. They take no room before they are used. */
  constructor(bytes: number, resume: Resume) {
    this.#bytes = bytes;
    this.#waiters = new Waiters(resume);
  }

  /** A buffer of our own, when there is one. */
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
