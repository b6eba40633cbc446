import { grownFloat64, grownInt32 } from './growing.js';

/** A binary heap of small integers by a key, the least first. An item knows its place. */
export class KeyHeap {
  size = 0;
  key: Float64Array<ArrayBuffer>;
  #heap: Int32Array<ArrayBuffer>;
  /** Place of an item in `#heap`, -1 if it is not there. */
  #place: Int32Array<ArrayBuffer>;

  constructor(items: number) {
    this.key = new Float64Array(items);
    this.#heap = new Int32Array(items);
    this.#place = new Int32Array(items).fill(-1);
  }

  /** Makes room; never shrinks. */
  grow(items: number): void {
    this.key = grownFloat64(this.key, items, 0);
    this.#heap = grownInt32(this.#heap, items, 0);
    this.#place = grownInt32(this.#place, items, -1);
  }

  /** The item with the least key, -1 if there is none. */
  top(): number {
    return this.size === 0 ? -1 : this.#heap[0];
  }

  has(item: number): boolean {
    return this.#place[item] !== -1;
  }

  /** Inserts the item, or moves it after its key changed. */
  set(item: number, key: number): void {
    this.key[item] = key;
    if (this.#place[item] === -1) {
      this.#place[item] = this.size;
      this.#heap[this.size++] = item;
    }
    this.#sift(this.#place[item], item);
  }

  /** Takes the item out; does nothing if it is not there. */
  remove(item: number): void {
    const place = this.#place[item];
    if (place === -1) return;
    this.#place[item] = -1;
    const last = this.#heap[--this.size];
    if (last !== item) this.#sift(place, last);
  }

  #before(a: number, b: number): boolean {
    return this.key[a] < this.key[b];
  }

  /** Puts `item` where it belongs, from the free place `place` up or down. */
  #sift(place: number, item: number): void {
    let hole = place;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if (!this.#before(item, this.#heap[parent])) break;
      this.#put(hole, this.#heap[parent]);
      hole = parent;
    }
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= this.size) break;
      if (child + 1 < this.size && this.#before(this.#heap[child + 1], this.#heap[child])) child++;
      if (!this.#before(this.#heap[child], item)) break;
      this.#put(hole, this.#heap[child]);
      hole = child;
    }
    this.#put(hole, item);
  }

  #put(place: number, item: number): void {
    this.#heap[place] = item;
    this.#place[item] = place;
  }
}
