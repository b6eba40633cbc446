import { CLASSES } from './chains.js';
import { Entities, groupOfEntity, isMember, memberEntity, NONE, ROOT_MEMBERS } from './entities.js';
import { grownFloat64, grownInt32 } from './fifo-lists.js';
import type { RequestTable } from './request-table.js';
import type { Savings } from './savings.js';
import type { SlotHeap } from './slot-heap.js';

const NO_BUCKETS = new Int32Array(0);
export const queueOfSlot = (slot: number): number => ((slot >> 2) << 1) | (slot & 1);
export const slotOfQueue = (queue: number): number => (memberEntity(queue >> 1) << 1) | (queue & 1);

/**
 * Whose turn it is at a node, and when its buckets let that request pass. Only answers; FairTree
 * changes things.
 */
export class Turns {
  readonly nodes = new Entities();
  /** A drain: no limits any more. */
  released = false;
  protected readonly table: RequestTable;
  protected readonly savings: Savings;
  /** By node + class, for groups. */
  protected readonly available: SlotHeap[] = [];
  protected readonly pending: SlotHeap[] = [];
  /** The child whose request goes next whoever comes, NONE if none has waited for its turn. */
  protected held = new Int32Array(0);
  /** By slot, for members: tags between a member's reads and its writes. */
  protected classTag = new Float64Array(0);

  constructor(table: RequestTable, savings: Savings) {
    this.table = table;
    this.savings = savings;
  }

  /** Reads or writes of a member: whose turn it is. */
  protected firstClass(member: number): number {
    return this.classTag[2 * member + 1] < this.classTag[2 * member] ? 1 : 0;
  }

  /** When the buckets of a node let a request pass; Infinity while it waits for the other class. */
  protected ownTime(node: number, kind: number, child: number, bytes: number, now: number): number {
    const own = this.bucketTime(node, kind, bytes);
    if (own === -Infinity || this.held[node + 1 - kind] === NONE) return own;
    return this.waitsForOther(node, kind, child, bytes, now) ? Infinity : own;
  }

  protected bucketTime(node: number, kind: number, bytes: number): number {
    const list = this.bucketsOf(node, kind);
    const { buckets } = this.savings;
    let time = -Infinity;
    for (let at = 0; at < list.length; at++) {
      time = Math.max(time, buckets.readyTime(list[at], bytes));
    }
    return time;
  }

  /** True if a request of the other class has an earlier turn here, and this one would delay it. */
  protected waitsForOther(
    node: number,
    kind: number,
    child: number,
    bytes: number,
    now: number,
  ): boolean {
    const otherKind = 1 - kind;
    const other = this.held[node + otherKind];
    if (!this.precedes(other, otherKind, child, kind)) return false;
    const { buckets, chains } = this.savings;
    const shared = chains.shared[groupOfEntity(node)];
    const until = Math.max(now, this.heldUntil(node, otherKind));
    const otherBytes = this.headBytes(2 * other + otherKind);
    for (let at = 0; at < shared.length; at++) {
      const after = buckets.readyTime(shared[at], otherBytes) + buckets.cost(shared[at], bytes);
      if (after > until) return true;
    }
    return false;
  }

  /** When the request that holds the turn at a node can go, as far up as it is next. */
  protected heldUntil(from: number, kind: number): number {
    const { parent, time } = this.nodes;
    let until = time[2 * from + kind];
    let child = from;
    for (let node = parent[child]; node !== NONE; child = node, node = parent[child]) {
      const isNext = this.available[node + kind].size === 0 && this.offered(node, kind) === child;
      if (this.held[node + kind] !== child && !isNext) return until;
      until = Math.max(until, time[2 * node + kind]);
    }
    return until;
  }

  /** Order of turns between a read and a write below one node. */
  protected precedes(a: number, kindOfA: number, b: number, kindOfB: number): boolean {
    let one = a;
    let other = b;
    while (one === other) {
      if (isMember(one)) return this.firstClass(one) === kindOfA;
      one = this.offered(one, kindOfA);
      other = this.offered(other, kindOfB);
    }
    return this.isBefore(one, other);
  }

  /** Between siblings; those that are not available yet will come back at the virtual time. */
  protected isBefore(a: number, b: number): boolean {
    const { start, ticket, virtual, parent } = this.nodes;
    const now = virtual[parent[a]];
    const tagA = Math.max(start[a], now);
    const tagB = Math.max(start[b], now);
    return tagA < tagB || (tagA === tagB && ticket[a] < ticket[b]);
  }

  /** The child that a node would send from, as things are. */
  protected offered(node: number, kind: number): number {
    const at = node + kind;
    if (this.held[at] !== NONE) return this.held[at];
    const first = this.available[at].top();
    return (first !== NONE ? first : this.pending[at].top()) >> 1;
  }

  /** Length of the request that a slot would send. */
  protected headBytes(slot: number): number {
    let node = slot >> 1;
    while (!isMember(node)) node = this.offered(node, slot & 1);
    return this.table.bytesOf[this.table.headOf(queueOfSlot(2 * node + (slot & 1)))];
  }

  protected bucketsOf(node: number, kind: number): Int32Array {
    if (node === ROOT_MEMBERS || this.released) return NO_BUCKETS;
    return this.savings.chains.own[groupOfEntity(node) * CLASSES + kind];
  }

  protected sharesBuckets(node: number): boolean {
    if (node === ROOT_MEMBERS || this.released) return false;
    return this.savings.chains.shared[groupOfEntity(node)].length > 0;
  }

  protected grow(entity: number): void {
    this.nodes.grow(entity + 2);
    this.held = grownInt32(this.held, this.nodes.size, NONE);
    this.classTag = grownFloat64(this.classTag, 2 * this.nodes.size, 0);
  }
}
