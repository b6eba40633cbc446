import { PENDING } from '../host/engine.js';
import type { Mapping } from '../sys/memory.js';
import { Mappings } from './mappings.js';
import { type Resume, Waiters } from './waiters.js';

/** Clusters of an image that are copied, or read to be inflated, at the same time: more gain nothing. */
const BUFFERS = 8;
const ANY = 0;

/**
 * Buffers of one image for clusters and tables: outside the plane's memory, and a few at a time. One is there from the
 * start, so that a request finds memory even where the system has no more, though it may have to wait for others.
 */
export class Buffers {
  readonly #bytes: number;
  readonly #waiters: Waiters;
  readonly #mappings: Mappings;
  readonly #free: Mapping[];
  #made = 1;

  /**
   * @param bytes Size of one buffer. Unused buffers take no memory.
   * @param mappings The image's.
   * @throws SluiceError ENOMEM
   */
  constructor(bytes: number, resume: Resume, mappings = new Mappings()) {
    this.#mappings = mappings;
    this.#bytes = bytes;
    this.#waiters = new Waiters(resume);
    this.#free = [mappings.map(bytes)];
  }

  /** Waits for a free buffer and takes it. */
  *take(request: number): Generator<number, Mapping, number> {
    for (;;) {
      const buffer = this.#free.pop();
      if (buffer !== undefined) return buffer;
      const more = this.#made < BUFFERS ? this.#mappings.mapMore(this.#bytes) : null;
      if (more !== null) {
        this.#made++;
        return more;
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
