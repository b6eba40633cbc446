import { grown } from '../util/growing.js';

const NONE = -1;

/** Where items note their places in a heap: by item, NONE if the item is in none. */
export interface Places {
  place: Int32Array<ArrayBuffer>;
}

/**
 * Small integers by a key, the least first. Among equal keys of entries, the node that was served longest
 * ago is first. An item is in one heap at most of those that share their places.
 *
 * A heap node has four children, and the keys lie beside the items. With 10,000 groups the cost is
 * that of cache misses, and four keys are in one cache line.
 */
export class Heap {
  #size = 0;
  #items = new Int32Array(4);
  #keys = new Float64Array(4);
  readonly #places: Places;
  readonly #tickets: { readonly ticket: Float64Array } | null;

  /** @param tickets By node, if the items are entries: the order among equal keys. */
  constructor(places: Places, tickets: { readonly ticket: Float64Array } | null = null) {
    this.#places = places;
    this.#tickets = tickets;
  }

  get isEmpty(): boolean {
    return this.#size === 0;
  }

  /** The first item, -1 if the heap is empty. */
  top(): number {
    return this.#size === 0 ? NONE : this.#items[0];
  }

  /** Key of the first item, which must exist. */
  get topKey(): number {
    return this.#keys[0];
  }

  has(item: number): boolean {
    return this.#places.place[item] !== NONE;
  }

  /** Puts an item in, or moves it to where its new key belongs. */
  set(item: number, key: number): void {
    if (this.has(item)) this.#sift(this.#places.place[item], item, key);
    else {
      if (this.#size === this.#items.length) this.#grow();
      this.#sift(this.#size++, item, key);
    }
  }

  /** Takes an item out; nothing happens if it is not there. */
  remove(item: number): void {
    const { place } = this.#places;
    const hole = place[item];
    if (hole === NONE) return;
    place[item] = NONE;
    const last = this.#items[--this.#size];
    if (last !== item) this.#sift(hole, last, this.#keys[this.#size]);
  }

  clear(): void {
    for (let at = 0; at < this.#size; at++) this.#places.place[this.#items[at]] = NONE;
    this.#size = 0;
  }

  #before(keyA: number, a: number, keyB: number, b: number): boolean {
    if (keyA !== keyB || this.#tickets === null) return keyA < keyB;
    return this.#tickets.ticket[a >> 1] < this.#tickets.ticket[b >> 1];
  }

  /** Puts `item` where it belongs, from the free place `hole` up or down. */
  #sift(hole: number, item: number, key: number): void {
    const items = this.#items;
    const keys = this.#keys;
    let at = hole;
    while (at > 0) {
      const parent = (at - 1) >> 2;
      if (!this.#before(key, item, keys[parent], items[parent])) break;
      this.#put(at, items[parent], keys[parent]);
      at = parent;
    }
    for (let first = 4 * at + 1; first < this.#size; first = 4 * at + 1) {
      const least = this.#leastOf(first, Math.min(first + 4, this.#size));
      if (!this.#before(keys[least], items[least], key, item)) break;
      this.#put(at, items[least], keys[least]);
      at = least;
    }
    this.#put(at, item, key);
  }

  #leastOf(first: number, end: number): number {
    const items = this.#items;
    const keys = this.#keys;
    let least = first;
    for (let at = first + 1; at < end; at++) {
      if (this.#before(keys[at], items[at], keys[least], items[least])) least = at;
    }
    return least;
  }

  #put(at: number, item: number, key: number): void {
    this.#items[at] = item;
    this.#keys[at] = key;
    this.#places.place[item] = at;
  }

  #grow(): void {
    this.#items = grown(this.#items, 2 * this.#size);
    this.#keys = grown(this.#keys, 2 * this.#size);
  }
}
