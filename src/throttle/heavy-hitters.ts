/** No key. */
const NONE = -1;

/** Fibonacci hashing: 2^32 divided by the golden ratio, as an odd number. */
const GOLDEN = 0x9e3779b1;
const KEY_BITS = 32;

/**
 * The heaviest keys of a stream, in memory of constant size. This is the sketch Space-Saving (Metwally,
 * Agrawal, El Abbadi 2005): each key that is followed has a place with its weight, and a key without one
 * takes the place of the lightest. It inherits the weight of that place, for so much may have been missed
 * of it. The weights add up to that of the whole stream, hence with n places:
 *
 * - the lightest is at most 1/n of all, and no more than that is ever inherited;
 * - a key that made more than 1/n of all has a place.
 *
 * `fade` halves everything, so the newer part of a stream counts most, and all this goes on to hold.
 *
 * A key that has a place costs a look into a hash table, and nothing is allocated. The lightest is found by
 * a heap that is put in order only when a place is needed.
 */
export class HeavyHitters {
  /** By place: an upper bound of what its key has weighed. */
  readonly weights: Float64Array;
  /** By place: how much of that may have been other keys. */
  readonly inherited: Float64Array;
  /** Weight of the whole stream. */
  total = 0;
  /** The key of the last `add` had no place before. */
  isNew = false;

  /** By place. */
  readonly #keys: Float64Array;
  /** By place: its weight when the heap last looked, which is not above the weight of now. */
  readonly #bounds: Float64Array;
  /** Places, as a binary heap by bound. */
  readonly #heap: Uint16Array;
  /** By hash: 1 + place, 0 for none. Linear probing, at most a quarter full. */
  readonly #table: Uint16Array;
  readonly #shift: number;
  #lastKey = NONE;
  #lastPlace = 0;

  /**
   * @param places At most 65535.
   * @param weights Memory for as many numbers, all 0, which a reader may have; so is `inherited`.
   */
  constructor(
    places: number,
    weights: Float64Array = new Float64Array(places),
    inherited: Float64Array = new Float64Array(places),
  ) {
    this.weights = weights;
    this.inherited = inherited;
    this.#keys = new Float64Array(places).fill(NONE);
    this.#bounds = new Float64Array(places);
    this.#heap = Uint16Array.from({ length: places }, (_, place) => place);
    const bits = Math.ceil(Math.log2(4 * places));
    this.#table = new Uint16Array(2 ** bits);
    this.#shift = KEY_BITS - bits;
  }

  /**
   * Adds to the weight of a key.
   * @param key 0 to 2^32 - 1
   * @returns Its place.
   */
  add(key: number, weight: number): number {
    this.total += weight;
    // One caller often has several requests in a row.
    this.isNew = false;
    if (key !== this.#lastKey) {
      this.#lastPlace = this.#placeOf(key);
      this.#lastKey = key;
    }
    this.weights[this.#lastPlace]! += weight;
    return this.#lastPlace;
  }

  /** Halves all weights, `times` times. */
  fade(times: number): void {
    const factor = 2 ** -times;
    this.total *= factor;
    for (const column of [this.weights, this.inherited, this.#bounds]) {
      for (let place = 0; place < column.length; place++) column[place]! *= factor;
    }
  }

  #placeOf(key: number): number {
    const mask = this.#table.length - 1;
    let at = this.#hash(key);
    for (; this.#table[at] !== 0; at = (at + 1) & mask) {
      const place = this.#table[at]! - 1;
      if (this.#keys[place] === key) return place;
    }
    const place = this.#lightest();
    if (this.#keys[place] !== NONE) this.#forget(place);
    // The table has changed: the free place of above may be another one.
    for (at = this.#hash(key); this.#table[at] !== 0; at = (at + 1) & mask);
    this.#table[at] = place + 1;
    this.#keys[place] = key;
    this.inherited[place] = this.weights[place]!;
    this.isNew = true;
    return place;
  }

  #hash(key: number): number {
    return Math.imul(key, GOLDEN) >>> this.#shift;
  }

  /** Takes a key out of the table, and closes the gap for those that were moved on because of it. */
  #forget(place: number): void {
    const mask = this.#table.length - 1;
    let gap = this.#hash(this.#keys[place]!);
    while (this.#table[gap] !== place + 1) gap = (gap + 1) & mask;
    for (let at = (gap + 1) & mask; this.#table[at] !== 0; at = (at + 1) & mask) {
      const home = this.#hash(this.#keys[this.#table[at]! - 1]!);
      if (((at - home) & mask) < ((at - gap) & mask)) continue;
      this.#table[gap] = this.#table[at]!;
      gap = at;
    }
    this.#table[gap] = 0;
  }

  #lightest(): number {
    for (;;) {
      const place = this.#heap[0]!;
      const weight = this.weights[place]!;
      if (this.#bounds[place] === weight) return place;
      this.#bounds[place] = weight;
      this.#siftDown();
    }
  }

  /** Moves the first of the heap to where it belongs. */
  #siftDown(): void {
    const [heap, bounds] = [this.#heap, this.#bounds];
    const place = heap[0]!;
    const bound = bounds[place]!;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && bounds[heap[child + 1]!]! < bounds[heap[child]!]!) child++;
      if (bounds[heap[child]!]! >= bound) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = place;
  }
}
