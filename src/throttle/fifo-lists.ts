type Bytes = Uint8Array<ArrayBuffer>;
type Ints = Int32Array<ArrayBuffer>;
type Floats = Float64Array<ArrayBuffer>;

/**
 * Many first-in-first-out lists over one set of items, each item in one list at most. Items and
 * lists are small integers; -1 means none. Doubly linked, so that an item leaves its list in O(1)
 * wherever it stands: an interrupted request must not cost a walk over thousands of others.
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

  /** Makes room; never shrinks. Control path only. */
  grow(items: number, lists: number): void {
    this.next = grownInt32(this.next, items, -1);
    this.prev = grownInt32(this.prev, items, -1);
    this.head = grownInt32(this.head, lists, -1);
    this.tail = grownInt32(this.tail, lists, -1);
  }

  push(list: number, item: number): void {
    this.insertAfter(list, this.tail[list], item);
  }

  /** Puts `item` behind `before`, which is in `list`; at the front if that is -1. */
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

/** A copy of `old` with room for `length` numbers, the new ones set to `value`. */
export function grownInt32(old: Ints, length: number, value: number): Ints {
  if (length <= old.length) return old;
  const grown = new Int32Array(length).fill(value);
  grown.set(old);
  return grown;
}

/** A copy of `old` with room for `length` bytes, the new ones 0. */
export function grownUint8(old: Bytes, length: number): Bytes {
  if (length <= old.length) return old;
  const grown = new Uint8Array(length);
  grown.set(old);
  return grown;
}

/** A copy of `old` with room for `length` numbers, the new ones set to `value`. */
export function grownFloat64(old: Floats, length: number, value: number): Floats {
  if (length <= old.length) return old;
  const grown = new Float64Array(length).fill(value);
  grown.set(old);
  return grown;
}
