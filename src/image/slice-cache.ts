import { type Engine, PENDING, type Task } from '../host/engine.js';
import { readAll } from '../host/transfer-all.js';
import type { Mapping } from '../sys/memory.js';
import type { Extent } from './extent.js';
import type { LayerIo } from './format.js';
import { type Resume, Waiters } from './waiters.js';

/** Result of `find`: the slice is not in the cache. */
export const MISSING = -1;

/** Key of requests that wait for any place in the cache. Slices are numbered from 0. */
const ANY_PLACE = -1;

/** With fewer places than this, requests in flight would keep taking them from each other. */
const PLACES_MIN = 64;

/** Changes bytes that were read from an offset of the file, before anybody sees them. */
export type Patch = (offset: number, bytes: Uint8Array) => void;

/** The order of bytes in a table. */
export type ByteOrder = 'big-endian' | 'little-endian';

/**
 * The cache of an image with `count` slices: within its bound, and no larger than all of them need, unless
 * the image grows. An image that is resized once has more slices than when it was opened, so a small one has
 * the least number of places all the same: memory that is never used costs nothing.
 */
export function makeSliceCache(
  count: number,
  sliceBytes: number,
  order: ByteOrder,
  { engine, resume, cacheBytes, growable, mappings }: LayerIo,
  patch?: Patch,
): SliceCache {
  const allowed = Math.max(PLACES_MIN, Math.floor(cacheBytes / sliceBytes));
  const places = growable ? allowed : Math.min(Math.max(PLACES_MIN, count), allowed);
  const memory = mappings.map(places * sliceBytes);
  return new SliceCache(memory, sliceBytes, order, engine, resume, patch);
}

const FREE = 0;
const BUSY = 1;
const READY = 2;

/**
 * A bounded cache of slices of tables. A slice is read straight into its place. Its bytes are numbers of
 * 32 bits there, in `words`: those of big-endian tables are swapped once. A number of 64 bits takes two
 * words, in the order of the disk.
 *
 * The clock algorithm chooses the slice to drop: the first one that has not been used since the hand
 * passed it last.
 */
export class SliceCache {
  readonly words: Uint32Array;
  readonly sliceBytes: number;
  readonly places: number;
  readonly #isBigEndian: boolean;
  readonly #patch: Patch;
  readonly #memory: Mapping;
  readonly #bytes: Uint8Array;
  readonly #placeOf = new Map<number, number>();
  readonly #sliceAt: Float64Array;
  readonly #state: Uint8Array;
  readonly #used: Uint8Array;
  /** Pinned places, which must keep their slice: it has changed or is being written. */
  readonly #pins: Uint8Array;
  /** The places from here on were never used. */
  #fresh = 0;
  #hand = 0;
  readonly #engine: Engine;
  readonly #waiters: Waiters;

  /** @param memory Room for the slices, page-aligned; its length bounds the cache. */
  constructor(
    memory: Mapping,
    sliceBytes: number,
    order: ByteOrder,
    engine: Engine,
    resume: Resume,
    patch: Patch = () => {},
  ) {
    this.#patch = patch;
    this.#isBigEndian = order === 'big-endian';
    this.#engine = engine;
    this.#waiters = new Waiters(resume);
    this.#memory = memory;
    this.#bytes = new Uint8Array(memory.buffer);
    this.words = new Uint32Array(memory.buffer);
    this.sliceBytes = sliceBytes;
    this.places = Math.floor(memory.buffer.byteLength / sliceBytes);
    this.#sliceAt = new Float64Array(this.places);
    this.#state = new Uint8Array(this.places);
    this.#used = new Uint8Array(this.places);
    this.#pins = new Uint8Array(this.places);
  }

  /** Place of a loaded slice, or MISSING. */
  find(slice: number): number {
    const place = this.#placeOf.get(slice);
    if (place === undefined || this.#state[place] !== READY) return MISSING;
    this.#used[place] = 1;
    return place;
  }

  /** Loads a slice; see `Layer.load`. Requests that want the same slice share one load. */
  *load(request: number, { slice, file, offset }: Extent): Task {
    const isLoading = this.#placeOf.has(slice);
    const place = isLoading ? MISSING : this.#takePlace();
    if (place === MISSING) {
      this.#waiters.add(isLoading ? slice : ANY_PLACE, request);
      yield PENDING;
      return 0;
    }
    this.#placeOf.set(slice, place);
    this.#sliceAt[place] = slice;
    this.#state[place] = BUSY;
    const address = this.#memory.address + place * this.sliceBytes;
    const got = yield* readAll(this.#engine, request, file, address, this.sliceBytes, offset);
    if (got >= 0) this.#loaded(place, got, offset);
    else {
      this.#placeOf.delete(slice);
      this.#state[place] = FREE;
    }
    this.#waiters.wake(slice);
    this.#waiters.wake(ANY_PLACE);
    return Math.min(got, 0);
  }

  /** `bytes` of the slice have been read; bytes past the end of the file are zeros. */
  #loaded(place: number, bytes: number, offset: number): void {
    const at = place * this.sliceBytes;
    this.#bytes.fill(0, at + bytes, at + this.sliceBytes);
    this.#patch(offset, this.#bytes.subarray(at, at + this.sliceBytes));
    if (this.#isBigEndian) swapAll(this.words, at >> 2, (at + this.sliceBytes) >> 2);
    this.#state[place] = READY;
    this.#used[place] = 1;
  }

  /** Pins a place. It keeps its slice until `unpin` was called as often as this. */
  pin(place: number): void {
    this.#pins[place]!++;
  }

  unpin(place: number): void {
    this.#pins[place]!--;
  }

  /** A copy of a loaded slice in the byte order of the disk. */
  encode(place: number): Uint8Array {
    const at = place * this.sliceBytes;
    const copy = this.#bytes.slice(at, at + this.sliceBytes);
    if (this.#isBigEndian) swapAll(new Uint32Array(copy.buffer), 0, this.sliceBytes >> 2);
    return copy;
  }

  /** A place for another slice; MISSING if all are pinned or being loaded. */
  #takePlace(): number {
    if (this.#fresh < this.places) return this.#fresh++;
    // Two rounds: the first one clears the marks of use.
    for (let step = 0; step < 2 * this.places; step++) {
      const place = this.#hand;
      this.#hand = place + 1 === this.places ? 0 : place + 1;
      if (this.#state[place] === FREE) return place;
      if (this.#state[place] === BUSY || this.#pins[place] !== 0) continue;
      if (this.#used[place] === 0) {
        this.#placeOf.delete(this.#sliceAt[place]);
        return place;
      }
      this.#used[place] = 0;
    }
    return MISSING;
  }
}

function swapAll(words: Uint32Array, from: number, to: number): void {
  for (let i = from; i < to; i++) words[i] = swapBytes(words[i]);
}

function swapBytes(word: number): number {
  return ((word >>> 24) | ((word >>> 8) & 0xff00) | ((word << 8) & 0xff0000) | (word << 24)) >>> 0;
}
