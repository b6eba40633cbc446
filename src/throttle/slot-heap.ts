import type { Entities } from './entities.js';

/**
 * Some of the slots below one node, as a binary heap: by start tag, or by the time at which they
 * can go. Among equals the one whose turn was longest ago is first. A slot is in one heap at most,
 * and knows its place there.
 */
export class SlotHeap {
  size = 0;
  private items = new Int32Array(2);
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
    if (this.size === this.items.length) {
      const grown = new Int32Array(2 * this.size);
      grown.set(this.items);
      this.items = grown;
    }
    this.sift(this.size++, slot);
  }

  /** The key of `slot`, which is here, has changed. */
  moved(slot: number): void {
    this.sift(this.table.place[slot], slot);
  }

  remove(slot: number): void {
    const place = this.table.place[slot];
    const last = this.items[--this.size];
    if (last !== slot) this.sift(place, last);
  }

  private before(a: number, b: number): boolean {
    const { table } = this;
    const keyA = this.byTag ? table.start[a >> 1] : table.time[a];
    const keyB = this.byTag ? table.start[b >> 1] : table.time[b];
    return keyA < keyB || (keyA === keyB && table.ticket[a >> 1] < table.ticket[b >> 1]);
  }

  /** Puts `slot` where it belongs, starting from the free place `hole`, up or down. */
  private sift(hole: number, slot: number): void {
    const { items } = this;
    let at = hole;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.before(slot, items[parent])) break;
      this.put(at, items[parent]);
      at = parent;
    }
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.size) break;
      if (child + 1 < this.size && this.before(items[child + 1], items[child])) child++;
      if (!this.before(items[child], slot)) break;
      this.put(at, items[child]);
      at = child;
    }
    this.put(at, slot);
  }

  private put(at: number, slot: number): void {
    this.items[at] = slot;
    this.table.place[slot] = at;
  }
}
