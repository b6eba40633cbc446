/**
 * The slices of the tables of an image that were loaded and have no block: a hole of many of them is one
 * extent, and none is loaded again. One bit each. The tables never change.
 */
export class EmptySlices {
  readonly #bits: Uint32Array;

  /** @param slices Their number; memory is taken for those that are added. */
  constructor(slices: number) {
    this.#bits = new Uint32Array(Math.ceil(slices / 32));
  }

  add(slice: number): void {
    this.#bits[slice >>> 5]! |= 1 << (slice & 31);
  }

  has(slice: number): boolean {
    return ((this.#bits[slice >>> 5]! >>> (slice & 31)) & 1) === 1;
  }

  /** The first slice from one on that is not known to be empty, or `end`. */
  endOf(slice: number, end: number): number {
    let next = slice;
    while (next < end) {
      if ((next & 31) === 0 && this.#bits[next >>> 5] === 0xffffffff) next += 32;
      else if (this.has(next)) next++;
      else return next;
    }
    return end;
  }
}
