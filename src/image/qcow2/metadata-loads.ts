import type { Engine, Task } from '../../host/engine.js';
import { PENDING } from '../../host/engine.js';
import { ERRNO } from '../../util/errno.js';
import type { ChainImage } from '../chain-image.js';
import type { Extent } from '../image.js';
import { type Resume, Waiters } from '../waiters.js';
import { FULL, LOADING, type SliceCache } from './slice-cache.js';

/** Key of those that wait for any place in a cache. Slices are numbered from 0. */
const ANY_PLACE = -1;
/** Slices of a layer: fewer than 2^53 bytes over the smallest coverage of one, 32 KiB. */
const LAYER_STEP = 2 ** 40;

/**
 * Loads pieces of metadata into the caches of one image. A piece is loaded once however many requests
 * want it.
 */
export class MetadataLoads {
  readonly #image: ChainImage;
  readonly #engine: Engine;
  readonly #waiters: Waiters;

  constructor(image: ChainImage, engine: Engine, resume: Resume) {
    this.#image = image;
    this.#engine = engine;
    this.#waiters = new Waiters(resume);
  }

  /**
   * Loads what a METADATA extent names, or waits for it. Returns 0, after which the range is to be
   * mapped again, or -errno.
   */
  *load(request: number, extent: Extent): Task {
    const { layer, slice, file, offset } = extent;
    const cache = this.#image.layers[layer].cache!;
    const place = cache.begin(slice);
    if (place === LOADING || place === FULL) {
      this.#waiters.add(place === FULL ? ANY_PLACE : layer * LAYER_STEP + slice, request);
      yield PENDING;
      return 0;
    }
    const got = yield* this.#read(request, cache, place, file, offset);
    if (got < 0) cache.abandon(place);
    else cache.loaded(place, got);
    this.#waiters.wake(layer * LAYER_STEP + slice);
    this.#waiters.wake(ANY_PLACE);
    return Math.min(got, 0);
  }

  /** Bytes read, fewer than a slice only at the end of the file; or -errno. */
  *#read(request: number, cache: SliceCache, place: number, file: number, offset: number): Task {
    const { sliceBytes } = cache;
    const address = cache.address(place);
    for (let done = 0; ; ) {
      const rest = sliceBytes - done;
      const got = yield this.#engine.read(
        request,
        file,
        address + done,
        rest,
        offset + done,
        false,
      );
      // What is left after the end of a file read with O_DIRECT is no whole block: that is the end.
      if (got === -ERRNO.EINVAL && done > 0) return done;
      if (got < 0) return got;
      done += got;
      if (got === 0 || done === sliceBytes) return done;
    }
  }
}
