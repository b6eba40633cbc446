import type { Engine, Task } from '../../host/engine.js';
import { PENDING } from '../../host/engine.js';
import { ERRNO } from '../../util/errno.js';
import type { Extent } from '../extent.js';
import { type Resume, Waiters } from '../waiters.js';
import { FULL, LOADING, type SliceCache } from './slice-cache.js';

/** Key of requests that wait for any place in the cache. Slices are numbered from 0. */
const ANY_PLACE = -1;

/** Loads slices of L2 tables into a cache. Requests that want the same slice share one load. */
export class SliceLoads {
  readonly #cache: SliceCache;
  readonly #engine: Engine;
  readonly #waiters: Waiters;

  constructor(cache: SliceCache, engine: Engine, resume: Resume) {
    this.#cache = cache;
    this.#engine = engine;
    this.#waiters = new Waiters(resume);
  }

  /** See `Layer.load`. */
  *load(request: number, { slice, file, offset }: Extent): Task {
    const cache = this.#cache;
    const place = cache.begin(slice);
    if (place === LOADING || place === FULL) {
      this.#waiters.add(place === FULL ? ANY_PLACE : slice, request);
      yield PENDING;
      return 0;
    }
    const got = yield* this.#read(request, place, file, offset);
    if (got < 0) cache.abandon(place);
    else cache.loaded(place, got);
    this.#waiters.wake(slice);
    this.#waiters.wake(ANY_PLACE);
    return Math.min(got, 0);
  }

  /** Reads a slice. The number of bytes, less than a slice only at the end of the file; or -errno. */
  *#read(request: number, place: number, file: number, offset: number): Task {
    const { sliceBytes } = this.#cache;
    const address = this.#cache.address(place);
    for (let done = 0; ; ) {
      const to = address + done;
      const rest = sliceBytes - done;
      const got = yield this.#engine.read(request, file, to, rest, offset + done, false);
      // A read with O_DIRECT has reached the end of the file within a block: the rest is not aligned.
      if (got === -ERRNO.EINVAL && done > 0) return done;
      if (got < 0) return got;
      done += got;
      if (got === 0 || done === sliceBytes) return done;
    }
  }
}
