import { grown } from './growing.js';

type Ints = Int32Array<ArrayBuffer>;

/**
 * Many first-in-first-out lists over one set of items; an item is in one list at most. Items and
 * lists are small integers, and -1 means none. The lists are doubly linked, so that an item leaves its
 * list in O(1): an interrupted request must not cost a walk over thousands of others.
 */
export class FifoLists {
  next: Ints;
  prev: Ints;
  head: Ints;
  tail: Ints;

  constructor(items: number, lists: number) {
    // Of items that are in no list nobody asks.
    this.next = new Int32Array(items);
    this.prev = new Int32Array(items);
    this.head = new Int32Array(lists).fill(-1);
    this.tail = new Int32Array(lists).fill(-1);
  }

  /** Makes room; never shrinks. */
  grow(items: number, lists: number): void {
    this.next = grown(this.next, items);
    this.prev = grown(this.prev, items);
    this.head = grown(this.head, lists, -1);
    this.tail = grown(this.tail, lists, -1);
  }

  /** Puts `item` at the end of `list`. */
  push(list: number, item: number): void {
    const last = this.tail[list];
    this.prev[item] = last;
    this.next[item] = -1;
    if (last === -1) this.head[list] = item;
    else this.next[last] = item;
    this.tail[list] = item;
  }

  /** Takes `item` out of `list`, where it must be. */
  remove(list: number, item: number): void {
    const before = this.prev[item];
    const after = this.next[item];
    if (before === -1) this.head[list] = after;
    else this.next[before] = after;
    if (after === -1) this.tail[list] = before;
    else this.prev[after] = before;
  }
}
