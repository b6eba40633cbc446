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
    this.next = new Int32Array(items).fill(-1);
    this.prev = new Int32Array(items).fill(-1);
    this.head = new Int32Array(lists).fill(-1);
    this.tail = new Int32Array(lists).fill(-1);
  }

  /** Makes room; never shrinks. */
  grow(items: number, lists: number): void {
    this.next = grown(this.next, items, -1);
    this.prev = grown(this.prev, items, -1);
    this.head = grown(this.head, lists, -1);
    this.tail = grown(this.tail, lists, -1);
  }

  push(list: number, item: number): void {
    this.insertAfter(list, this.tail[list], item);
  }

  /** Puts `item` after `before`, which is in `list`; at the front if `before` is -1. */
  insertAfter(list: number, before: number, item: number): void {
    const after = before === -1 ? this.head[list] : this.next[before];
    this.prev[item] = before;
    this.next[item] = after;
    if (before === -1) this.head[list] = item;
    else this.next[before] = item;
    if (after === -1) this.tail[list] = item;
    else this.prev[after] = item;
  }

  /** Takes `item` out of `list`, where it must be. */
  remove(list: number, item: number): void {
    const before = this.prev[item];
    const after = this.next[item];
    if (before === -1) this.head[list] = after;
    else this.next[before] = after;
    if (after === -1) this.tail[list] = before;
    else this.prev[after] = before;
    this.prev[item] = -1;
    this.next[item] = -1;
  }
}
