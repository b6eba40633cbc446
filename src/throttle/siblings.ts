import type { DeviceIdling } from './device-idling.js';
import { Heap } from './heap.js';
import {
  ABSENT,
  ELIGIBLE,
  entryOfQueue,
  isMember,
  NONE,
  type NodeTable,
  PENDING,
  queueOfEntry,
} from './node-table.js';
import { OP_CLASSES, type RequestTable } from './request-table.js';

/**
 * The children of each node in the order in which they are served. Of each class of operations a
 * node has the eligible entries of its children by start tag, the pending ones by time, and perhaps a
 * child that it has committed its next request to.
 */
export class Siblings {
  readonly #nodes: NodeTable;
  readonly #table: RequestTable;
  readonly #idling: DeviceIdling;
  /** By entry of the parent. */
  readonly #eligible: Heap[] = [];
  readonly #pending: Heap[] = [];

  constructor(nodes: NodeTable, table: RequestTable, idling: DeviceIdling) {
    this.#nodes = nodes;
    this.#table = table;
    this.#idling = idling;
  }

  /** Call once for every node that has groups or members below it. */
  addGroup(node: number): void {
    for (let entry = 2 * node; entry < 2 * node + OP_CLASSES; entry++) {
      this.#eligible[entry] ??= new Heap(this.#nodes, this.#nodes);
      this.#pending[entry] ??= new Heap(this.#nodes, this.#nodes);
    }
  }

  /** Empties all heaps. */
  clear(): void {
    this.#nodes.committed.fill(NONE);
    this.#nodes.state.fill(ABSENT);
    this.#nodes.readyTime.fill(Infinity);
    for (const heap of this.#eligible) heap?.clear();
    for (const heap of this.#pending) heap?.clear();
  }

  hasEligible(parentEntry: number): boolean {
    return !this.#eligible[parentEntry].isEmpty;
  }

  /** The child of the pending entry that may send first; NONE if there is none. */
  firstPending(parentEntry: number): number {
    return this.#pending[parentEntry].top() >> 1;
  }

  /** The child that the entry sends from, as things are; NONE if it has nothing to send. */
  nextChild(parentEntry: number): number {
    const child = this.#nodes.committed[parentEntry];
    if (child !== NONE) return child;
    const first = this.#eligible[parentEntry].top();
    return (first !== NONE ? first : this.#pending[parentEntry].top()) >> 1;
  }

  /** The same at `now`, when pending entries may have become eligible. There must be one. */
  chooseChild(parentEntry: number, now: number): number {
    const { committed } = this.#nodes;
    if (committed[parentEntry] !== NONE) return committed[parentEntry];
    const pending = this.#pending[parentEntry];
    if (!pending.isEmpty) this.#becomeEligible(parentEntry, pending, now);
    if (committed[parentEntry] !== NONE) return committed[parentEntry];
    return this.#eligible[parentEntry].top() >> 1;
  }

  /** Length in bytes of the request that the entry would send. It must have one. */
  headBytes(entry: number): number {
    return this.#table.bytesOf[this.#headOf(entry)];
  }

  /** Time in ns at which that request came. */
  headArrival(entry: number): number {
    return this.#table.sinceOf[this.#headOf(entry)];
  }

  /** True if, of a read and a write below one node, what `a` would send goes before that of `b`. */
  precedes(a: number, b: number): boolean {
    let one = a;
    let other = b;
    while (one >> 1 === other >> 1) {
      if (isMember(one >> 1)) return this.#nodes.firstClass(one >> 1) === (one & 1);
      one = 2 * this.nextChild(one) + (one & 1);
      other = 2 * this.nextChild(other) + (other & 1);
    }
    return this.#nodes.precedes(one >> 1, other >> 1);
  }

  /** Commits the entries from the parent of the member's entry up to `node` to this request. */
  commit(entry: number, node: number): void {
    const { parent, committed } = this.#nodes;
    for (let child = entry >> 1; child !== node; child = parent[child]) {
      committed[2 * parent[child] + (entry & 1)] = child;
    }
  }

  /** The head of the queue was cancelled: entries that were committed to it are open again. */
  withdraw(queue: number): void {
    const { parent, committed } = this.#nodes;
    let child = entryOfQueue(queue) >> 1;
    for (let node = parent[child]; node !== NONE; child = node, node = parent[child]) {
      const at = 2 * node + (queue & 1);
      if (committed[at] === child) committed[at] = NONE;
      else if (committed[at] !== NONE) return;
    }
  }

  /**
   * A request of `cost` units goes from `child` through its parent: the start tag of the child grows.
   * Virtual time must not pass the start tag of a child that waits, or a new one would overtake it.
   */
  advance(child: number, cost: number): void {
    const nodes = this.#nodes;
    const { startTag, virtualTime } = nodes;
    const reads = 2 * nodes.parent[child];
    const writes = reads + 1;
    const tag = Math.max(startTag[child], virtualTime[reads >> 1]);
    let served = tag;
    const reader = this.#eligible[reads].top();
    if (reader !== NONE) served = Math.min(served, startTag[reader >> 1]);
    const writer = this.#eligible[writes].top();
    if (writer !== NONE) served = Math.min(served, startTag[writer >> 1]);
    virtualTime[reads >> 1] = Math.max(virtualTime[reads >> 1], served);
    startTag[child] = tag + cost * nodes.inverseWeight[child];
    nodes.takeTicket(child);
    this.#reorder(child);
  }

  /**
   * Gives a child another weight. What its last request has cost counts by the new one: a group of weight 1
   * would else wait for as many requests of the others as their weights are, whatever its weight is now.
   *
   * @param inverse 1 / weight
   */
  reweigh(child: number, inverse: number): void {
    const { inverseWeight, parent, startTag, virtualTime } = this.#nodes;
    const factor = inverse / inverseWeight[child];
    inverseWeight[child] = inverse;
    if (parent[child] === NONE) return;
    const now = virtualTime[parent[child]];
    if (startTag[child] <= now) return;
    startTag[child] = now + (startTag[child] - now) * factor;
    this.#reorder(child);
  }

  /** Puts the entries of a child to their places: its start tag or ticket is another one. */
  #reorder(child: number): void {
    const { startTag, state, readyTime, parent } = this.#nodes;
    const reads = 2 * parent[child];
    for (let entry = 2 * child; entry < 2 * child + OP_CLASSES; entry++) {
      if (state[entry] === ELIGIBLE)
        this.#eligible[reads + (entry & 1)].set(entry, startTag[child]);
      else if (state[entry] === PENDING) {
        this.#pending[reads + (entry & 1)].set(entry, readyTime[entry]);
      }
    }
  }

  /** Puts an entry where it belongs below its parent; it may send from `time` in ns. */
  place(entry: number, time: number, now: number): void {
    const nodes = this.#nodes;
    const node = entry >> 1;
    const was = nodes.state[entry];
    const state = time <= now ? ELIGIBLE : time < Infinity ? PENDING : ABSENT;
    const moved = nodes.readyTime[entry] !== time;
    const isRoot = nodes.parent[node] === NONE;
    if (isRoot) nodes.readyTime[entry] = time;
    if (isRoot || (was === state && !moved)) return;
    this.#idling.reset(nodes.deviceOf(node));
    if (state !== ABSENT) this.#idling.stop(node);
    const at = 2 * nodes.parent[node] + (entry & 1);
    if (was === state) {
      nodes.readyTime[entry] = time;
      if (was === PENDING) this.#pending[at].set(entry, time);
      return;
    }
    if (was === ELIGIBLE) this.#eligible[at].remove(entry);
    else if (was === PENDING) this.#pending[at].remove(entry);
    nodes.readyTime[entry] = time;
    nodes.state[entry] = state;
    const isAlone = nodes.state[entry ^ 1] === ABSENT;
    if (was === ABSENT && isAlone) nodes.takeTicket(node);
    if (state === ELIGIBLE) this.#comeBack(at, entry);
    else if (state === PENDING) this.#pending[at].set(entry, time);
    else if (isAlone) this.#idling.begin(node, now);
  }

  #headOf(entry: number): number {
    let at = entry;
    while (!isMember(at >> 1)) at = 2 * this.nextChild(at) + (at & 1);
    return this.#table.headOf(queueOfEntry(at));
  }

  /** An entry becomes eligible, with neither credit nor debt unless its other class already was. */
  #comeBack(at: number, entry: number): void {
    const { state, startTag, virtualTime, parent } = this.#nodes;
    const node = entry >> 1;
    if (state[entry ^ 1] !== ELIGIBLE) {
      startTag[node] = Math.max(startTag[node], virtualTime[parent[node]]);
    }
    this.#eligible[at].set(entry, startTag[node]);
  }

  #becomeEligible(parentEntry: number, pending: Heap, now: number): void {
    const { readyTime, committed } = this.#nodes;
    if (readyTime[pending.top()] > now) return;
    // It was alone when its time came: no entry that comes later precedes it.
    if (this.#eligible[parentEntry].isEmpty) committed[parentEntry] = pending.top() >> 1;
    for (let entry = pending.top(); entry !== NONE; entry = pending.top()) {
      if (readyTime[entry] > now) return;
      this.place(entry, readyTime[entry], now);
    }
  }
}
