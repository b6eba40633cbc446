import type { Mapping } from '../../sys/memory.js';

/** Result of `find`: the slice is not in the cache. */
export const MISSING = -1;
/** Result of `begin`: all places are pinned or being loaded. */
export const FULL = -2;
/** Result of `begin`: another request is loading this slice already. */
export const LOADING = -3;

/** With fewer places than this, requests in flight would keep taking them from each other. */
export const PLACES_MIN = 64;

const FREE = 0;
const BUSY = 1;
const READY = 2;

/**
 * A bounded cache of slices of tables. A slice is read straight into its place, where its bytes are
 * swapped once: from then on `words` holds 32-bit words, the high one of each entry first.
 *
 * The clock algorithm chooses the slice to drop: the first one that has not been used since the hand
 * passed it last.
 */
export class SliceCache {
  readonly words: Uint32Array;
  readonly sliceBytes: number;
  readonly places: number;
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

  /** @param memory Room for the slices, page-aligned; its length bounds the cache. */
  constructor(memory: Mapping, sliceBytes: number) {
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

  /** Reserves a place to load a slice into; or FULL, LOADING. `loaded` or `abandon` must follow. */
  begin(slice: number): number {
    if (this.#placeOf.has(slice)) return LOADING;
    const place = this.#takePlace();
    if (place < 0) return FULL;
    this.#placeOf.set(slice, place);
    this.#sliceAt[place] = slice;
    this.#state[place] = BUSY;
    return place;
  }

  /** The address of a place, to read a slice to. */
  address(place: number): number {
    return this.#memory.address + place * this.sliceBytes;
  }

  /** The bytes of a place. */
  bytesOf(place: number): Uint8Array {
    const at = place * this.sliceBytes;
    return this.#bytes.subarray(at, at + this.sliceBytes);
  }

  /** `bytes` of the slice have been read; bytes past the end of the file are zeros. */
  loaded(place: number, bytes: number): void {
    const at = place * this.sliceBytes;
    this.#bytes.fill(0, at + bytes, at + this.sliceBytes);
    const { words } = this;
    const end = (at + this.sliceBytes) >> 2;
    for (let i = at >> 2; i < end; i++) words[i] = swapBytes(words[i]);
    this.#state[place] = READY;
    this.#used[place] = 1;
  }

  /** The slice could not be read. */
  abandon(place: number): void {
    this.#placeOf.delete(this.#sliceAt[place]);
    this.#state[place] = FREE;
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
    const copy = this.bytesOf(place).slice();
    const words = new Uint32Array(copy.buffer);
    for (let i = 0; i < words.length; i++) words[i] = swapBytes(words[i]!);
    return copy;
  }

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
    return FULL;
  }
}

function swapBytes(word: number): number {
  return ((word >>> 24) | ((word >>> 8) & 0xff00) | ((word << 8) & 0xff0000) | (word << 24)) >>> 0;
}
