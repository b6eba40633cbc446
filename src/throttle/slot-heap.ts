import type { Entities } from './entities.js';

/**
 * Some of the slots below one node, as a heap: by start tag, or by the time at which they can go.
 * Among equals the one whose turn was longest ago is first. A slot is in one heap at most, and
 * knows its place there.
 *
 * Four children to a node, and the keys beside the slots: with 10,000 groups it is cache misses that
 * cost, and four keys are in one line.
 */
export class SlotHeap {
  size = 0;
  private items = new Int32Array(4);
  private keys = new Float64Array(4);
  private readonly table: Entities;
  private readonly byTag: boolean;

  constructor(table: Entities, byTag: boolean) {
    this.table = table;
    this.byTag = byTag;
  }

  /** The first slot, -1 if there is none. */
  top(): number {
    return this.size === 0 ? -1 : this.items[0];
  }

  push(slot: number): void {
    if (this.size === this.items.length) this.grow();
    this.sift(this.size++, slot, this.keyOf(slot));
  }

  /** The key of `slot`, which is here, has changed. */
  moved(slot: number): void {
    this.sift(this.table.place[slot], slot, this.keyOf(slot));
  }

  remove(slot: number): void {
    const place = this.table.place[slot];
    const last = this.items[--this.size];
    if (last !== slot) this.sift(place, last, this.keys[this.size]);
  }

  private keyOf(slot: number): number {
    return this.byTag ? this.table.start[slot >> 1] : this.table.time[slot];
  }

  private before(keyA: number, a: number, keyB: number, b: number): boolean {
    if (keyA !== keyB) return keyA < keyB;
    return this.table.ticket[a >> 1] < this.table.ticket[b >> 1];
  }

  /** Puts `slot` where it belongs, starting from the free place `hole`, up or down. */
  private sift(hole: number, slot: number, key: number): void {
    const { items, keys } = this;
    let at = hole;
    while (at > 0) {
      const parent = (at - 1) >> 2;
      if (!this.before(key, slot, keys[parent], items[parent])) break;
      this.put(at, items[parent], keys[parent]);
      at = parent;
    }
    for (let first = 4 * at + 1; first < this.size; first = 4 * at + 1) {
      const least = this.leastOf(first, Math.min(first + 4, this.size));
      if (!this.before(keys[least], items[least], key, slot)) break;
      this.put(at, items[least], keys[least]);
      at = least;
    }
    this.put(at, slot, key);
  }

  private leastOf(first: number, end: number): number {
    const { items, keys } = this;
    let least = first;
    for (let at = first + 1; at < end; at++) {
      if (this.before(keys[at], items[at], keys[least], items[least])) least = at;
    }
    return least;
  }

  private put(at: number, slot: number, key: number): void {
    this.items[at] = slot;
    this.keys[at] = key;
    this.table.place[slot] = at;
  }

  private grow(): void {
    const items = new Int32Array(2 * this.size);
    const keys = new Float64Array(2 * this.size);
    items.set(this.items);
    keys.set(this.keys);
    this.items = items;
    this.keys = keys;
  }
}
