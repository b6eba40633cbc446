import type { ByteRange } from '../partitions/table.js';

/** Notices that bytes were written which a partition table was read from. */
export class TableWatch {
  /** Such bytes may have changed. */
  isStale = false;
  /** Ranges that do not touch each other, in order. */
  #starts = new Float64Array(0);
  #ends = new Float64Array(0);

  /** From now on these ranges count. Does not change `isStale`. */
  set(ranges: readonly ByteRange[]): void {
    const merged: { start: number; end: number }[] = [];
    for (const { offset, length } of ranges.toSorted((a, b) => a.offset - b.offset)) {
      const last = merged.at(-1);
      const end = offset + length;
      if (last === undefined || offset > last.end) merged.push({ start: offset, end });
      else last.end = Math.max(last.end, end);
    }
    this.#starts = Float64Array.from(merged, ({ start }) => start);
    this.#ends = Float64Array.from(merged, ({ end }) => end);
  }

  /** Bytes `start` to `end` of the image were written. Called for every write: two comparisons for most. */
  wrote(start: number, end: number): void {
    const ends = this.#ends;
    let low = 0;
    let high = ends.length;
    // The first range that ends behind `start`.
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ends[middle]! <= start) low = middle + 1;
      else high = middle;
    }
    if (low < ends.length && this.#starts[low]! < end) this.isStale = true;
  }
}
