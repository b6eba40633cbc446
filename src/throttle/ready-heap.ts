import { grownFloat64, grownInt32 } from './fifo-lists.js';

/**
 * The place where the next lane to be served is chosen: a binary heap of lanes, the earliest ready
 * time first and among equals the one whose turn was longest ago. A scheduler with another order
 * (weights) replaces this file.
 */
export class ReadyHeap {
  size = 0;
  /** Earliest time in ns at which the lane can be served; kept as a lower bound. */
  key: Float64Array<ArrayBuffer>;
  /** Number of the lane's turn: smaller is older. */
  ticket: Float64Array<ArrayBuffer>;
  private heap: Int32Array<ArrayBuffer>;
  /** Place of a lane in `heap`, -1 if it is not there. */
  private place: Int32Array<ArrayBuffer>;

  constructor(lanes: number) {
    this.key = new Float64Array(lanes);
    this.ticket = new Float64Array(lanes);
    this.heap = new Int32Array(lanes);
    this.place = new Int32Array(lanes).fill(-1);
  }

  /** Makes room; never shrinks. Control path only. */
  grow(lanes: number): void {
    this.key = grownFloat64(this.key, lanes, 0);
    this.ticket = grownFloat64(this.ticket, lanes, 0);
    this.heap = grownInt32(this.heap, lanes, 0);
    this.place = grownInt32(this.place, lanes, -1);
  }

  /** The lane to look at first, -1 if there is none. */
  top(): number {
    return this.size === 0 ? -1 : this.heap[0];
  }

  has(lane: number): boolean {
    return this.place[lane] !== -1;
  }

  /** Inserts the lane, or moves it after its key or its ticket changed. */
  set(lane: number, key: number): void {
    this.key[lane] = key;
    if (this.place[lane] === -1) {
      this.place[lane] = this.size;
      this.heap[this.size++] = lane;
    }
    this.sift(this.place[lane], lane);
  }

  /** Takes the lane out; does nothing if it is not there. */
  remove(lane: number): void {
    const place = this.place[lane];
    if (place === -1) return;
    this.place[lane] = -1;
    const last = this.heap[--this.size];
    if (last !== lane) this.sift(place, last);
  }

  private before(a: number, b: number): boolean {
    const keyA = this.key[a];
    const keyB = this.key[b];
    return keyA < keyB || (keyA === keyB && this.ticket[a] < this.ticket[b]);
  }

  /** Puts `lane` where it belongs, starting from the free place `place`, up or down. */
  private sift(place: number, lane: number): void {
    let hole = place;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if (!this.before(lane, this.heap[parent])) break;
      this.put(hole, this.heap[parent]);
      hole = parent;
    }
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= this.size) break;
      if (child + 1 < this.size && this.before(this.heap[child + 1], this.heap[child])) child++;
      if (!this.before(this.heap[child], lane)) break;
      this.put(hole, this.heap[child]);
      hole = child;
    }
    this.put(hole, lane);
  }

  private put(place: number, lane: number): void {
    this.heap[place] = lane;
    this.place[lane] = place;
  }
}
