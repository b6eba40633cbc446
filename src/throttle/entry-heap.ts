import type { NodeTable } from './node-table.js';

/**
 * Some of the entries below one node, as a heap: by start tag, or by the time from which they may
 * send. Among equals the one that was served longest ago is first. An entry is in one heap at most
 * and knows its place there.
 *
 * A heap node has four children, and the keys lie beside the entries. With 10,000 groups the cost is
 * that of cache misses, and four keys are in one cache line.
 */
export class EntryHeap {
  #size = 0;
  #entries = new Int32Array(4);
  #keys = new Float64Array(4);
  readonly #nodes: NodeTable;
  readonly #byTag: boolean;

  /** @param byTag Order by start tag instead of by ready time. */
  constructor(nodes: NodeTable, byTag: boolean) {
    this.#nodes = nodes;
    this.#byTag = byTag;
  }

  get isEmpty(): boolean {
    return this.#size === 0;
  }

  /** The first entry, -1 if the heap is empty. */
  top(): number {
    return this.#size === 0 ? -1 : this.#entries[0];
  }

  push(entry: number): void {
    if (this.#size === this.#entries.length) this.#grow();
    this.#sift(this.#size++, entry, this.#keyOf(entry));
  }

  /** Call after the key of `entry`, which is in this heap, has changed. */
  update(entry: number): void {
    this.#sift(this.#nodes.place[entry], entry, this.#keyOf(entry));
  }

  /** Takes out `entry`, which must be in this heap. */
  remove(entry: number): void {
    const place = this.#nodes.place[entry];
    const last = this.#entries[--this.#size];
    if (last !== entry) this.#sift(place, last, this.#keys[this.#size]);
  }

  clear(): void {
    this.#size = 0;
  }

  #keyOf(entry: number): number {
    return this.#byTag ? this.#nodes.startTag[entry >> 1] : this.#nodes.readyTime[entry];
  }

  #before(keyA: number, a: number, keyB: number, b: number): boolean {
    if (keyA !== keyB) return keyA < keyB;
    return this.#nodes.ticket[a >> 1] < this.#nodes.ticket[b >> 1];
  }

  /** Puts `entry` where it belongs, from the free place `hole` up or down. */
  #sift(hole: number, entry: number, key: number): void {
    const entries = this.#entries;
    const keys = this.#keys;
    let at = hole;
    while (at > 0) {
      const parent = (at - 1) >> 2;
      if (!this.#before(key, entry, keys[parent], entries[parent])) break;
      this.#put(at, entries[parent], keys[parent]);
      at = parent;
    }
    for (let first = 4 * at + 1; first < this.#size; first = 4 * at + 1) {
      const least = this.#leastOf(first, Math.min(first + 4, this.#size));
      if (!this.#before(keys[least], entries[least], key, entry)) break;
      this.#put(at, entries[least], keys[least]);
      at = least;
    }
    this.#put(at, entry, key);
  }

  #leastOf(first: number, end: number): number {
    const entries = this.#entries;
    const keys = this.#keys;
    let least = first;
    for (let at = first + 1; at < end; at++) {
      if (this.#before(keys[at], entries[at], keys[least], entries[least])) least = at;
    }
    return least;
  }

  #put(at: number, entry: number, key: number): void {
    this.#entries[at] = entry;
    this.#keys[at] = key;
    this.#nodes.place[entry] = at;
  }

  #grow(): void {
    const entries = new Int32Array(2 * this.#size);
    const keys = new Float64Array(2 * this.#size);
    entries.set(this.#entries);
    keys.set(this.#keys);
    this.#entries = entries;
    this.#keys = keys;
  }
}
