import { CLASSES } from './chains.js';
import {
  AVAILABLE,
  isMember,
  memberEntity,
  NONE,
  NOWHERE,
  PENDING,
  ROOT,
  ROOT_MEMBERS,
} from './entities.js';
import { Idlers } from './idlers.js';
import type { RequestTable } from './request-table.js';
import type { Savings } from './savings.js';
import { SlotHeap } from './slot-heap.js';
import { queueOfSlot, slotOfQueue, Turns } from './turns.js';

/**
 * Hierarchical start-time fair queueing. Every node has a start tag; of the children that could send
 * something the one with the least tag goes, and its tag grows by cost / weight. A node that has
 * nothing to send, or may not, is not there for its siblings; when it returns its tag is at least
 * the virtual time of its parent, so it brings neither credit nor debt.
 *
 * A group that has nothing to send at this moment, but mostly has, keeps its turn (`Idlers`).
 *
 * A node's reads and its writes are two slots with one tag: limits may hold one and not the other.
 *
 * Limits: the buckets of a node are looked at when a request below it is chosen. If they are not
 * ready the request HOLDS its turn: it is what the node sends next in its class, whoever comes, and
 * until the buckets are ready the node is not there for its parent. So a large request does not
 * starve behind small ones, which would always be ready earlier. Of a read and a write that hold at
 * a bucket of both, the one with the earlier turn goes first; the other may pass it only where that
 * does not delay it (the rule of EASY backfilling for batch queues).
 */
export class FairTree extends Turns {
  /** After `choose`: since when the buckets would have let the request go. */
  ready = -Infinity;
  readonly idlers: Idlers;
  private turns = 0;

  constructor(table: RequestTable, savings: Savings) {
    super(table, savings);
    this.idlers = new Idlers(this.nodes);
    this.addGroup(ROOT, NONE);
    this.addGroup(ROOT_MEMBERS, ROOT);
  }

  addGroup(node: number, parent: number): void {
    this.grow(node);
    this.nodes.reset(node);
    this.nodes.parent[node] = parent;
    if (parent !== NONE) {
      this.nodes.attach(node, parent);
      this.nodes.isInner[parent] = 1;
    }
    this.idlers.addGroup(node);
    for (let at = node; at < node + CLASSES; at++) {
      this.available[at] ??= new SlotHeap(this.nodes, true);
      this.pending[at] ??= new SlotHeap(this.nodes, false);
      this.held[at] = NONE;
    }
  }

  /** @param hasSiblings Its parent has other groups left. */
  removeGroup(node: number, hasSiblings: boolean): void {
    this.idlers.stop(node);
    if (!hasSiblings) this.nodes.isInner[this.nodes.parent[node]] = 0;
  }

  addMember(entity: number, parent: number): void {
    this.grow(entity);
    this.nodes.reset(entity);
    this.nodes.attach(entity, parent);
    this.classTag.fill(0, 2 * entity, 2 * entity + CLASSES);
  }

  /** Earliest time in ns at which something can go, or earlier; Infinity if nothing can. */
  wakeAt(): number {
    const { time } = this.nodes;
    return this.idlers.isHolding ? this.idlers.lookAt : Math.min(time[0], time[1]);
  }

  /** True if a request without limits may go past `choose`: nobody is before it. */
  isIdle(now: number): boolean {
    const { time } = this.nodes;
    return this.idlers.count === 0 && !(time[0] <= now || time[1] <= now);
  }

  /** A queue that was empty has a first request. */
  enter(queue: number, now: number): void {
    const { nodes } = this;
    const entity = memberEntity(queue >> 1);
    const slot = slotOfQueue(queue);
    this.classTag[slot] = Math.max(this.classTag[slot], nodes.virtual[entity]);
    this.place(slot, -Infinity, now);
    this.refreshPath(nodes.parent[entity], queue & 1, now, false);
  }

  /**
   * The queue whose first request goes next, NONE if nothing can go: `wakeAt` is exact then, unless
   * `idlers.isHolding`.
   */
  choose(now: number): number {
    const { time } = this.nodes;
    this.idlers.isHolding = false;
    while (time[0] <= now || time[1] <= now) {
      const classes = (time[0] <= now ? 1 : 0) | (time[1] <= now ? 2 : 0);
      const slot = this.descend(ROOT, classes, now);
      if (!this.released && this.idlers.holdUp(slot, now)) return NONE;
      if (this.passes(slot, now, ROOT)) return queueOfSlot(slot);
    }
    return NONE;
  }

  /**
   * The same, below `node` only, which then takes the turn of whoever holds it at the groups above.
   * NONE: nothing can go now.
   */
  chooseBelow(node: number, now: number): number {
    const { time } = this.nodes;
    const slot = 2 * node;
    while (time[slot] <= now || time[slot + 1] <= now) {
      const classes = (time[slot] <= now ? 1 : 0) | (time[slot + 1] <= now ? 2 : 0);
      const found = this.descend(node, classes, now);
      if (this.passes(found, now, node)) {
        return this.passesAbove(found, node, now) ? queueOfSlot(found) : NONE;
      }
    }
    return NONE;
  }

  /** The first request of the queue goes: tags grow on its way up. */
  advance(queue: number, cost: number): void {
    const { nodes, held } = this;
    const slot = slotOfQueue(queue);
    const kind = queue & 1;
    let child = slot >> 1;
    nodes.virtual[child] = Math.max(nodes.virtual[child], this.classTag[slot]);
    this.classTag[slot] = nodes.virtual[child] + cost;
    let holds = true;
    for (let node = nodes.parent[child]; node !== NONE; child = node, node = nodes.parent[child]) {
      const holder = held[node + kind];
      if (holder === child && holds) held[node + kind] = NONE;
      else if (holder !== NONE) holds = false;
      this.advanceTag(node, child, cost);
      nodes.ticket[child] = ++this.turns;
      for (let one = 2 * child; one < 2 * child + CLASSES; one++) {
        if (nodes.where[one] === AVAILABLE) this.available[node + (one & 1)].moved(one);
        else if (nodes.where[one] === PENDING) this.pending[node + (one & 1)].moved(one);
      }
    }
  }

  /** Call when the queue has lost its first request; `bucketsToo`: or its buckets were charged. */
  headChanged(queue: number, bucketsToo: boolean, now: number): void {
    const slot = slotOfQueue(queue);
    const parent = this.nodes.parent[slot >> 1];
    if (this.table.headOf(queue) === NONE) this.place(slot, Infinity, now);
    this.refreshPath(parent, queue & 1, now, bucketsToo);
    if (bucketsToo) this.refreshPath(parent, 1 - (queue & 1), now, true);
  }

  /** The first request of the queue was taken away: it holds no turn any more. */
  dropHolds(queue: number): void {
    const { parent } = this.nodes;
    let child = memberEntity(queue >> 1);
    for (let node = parent[child]; node !== NONE; child = node, node = parent[child]) {
      const at = node + (queue & 1);
      if (this.held[at] === child) this.held[at] = NONE;
      else if (this.held[at] !== NONE) return;
    }
  }

  /** The window of a node has opened or shut. */
  windowChanged(node: number, now: number): void {
    this.refreshPath(node, 0, now, false);
    this.refreshPath(node, 1, now, false);
  }

  /** Judges every waiter anew; tags are kept. `groups` are all nodes, children before parents. */
  rebuild(groups: readonly number[], now: number): void {
    const { nodes, table } = this;
    this.held.fill(NONE);
    nodes.where.fill(NOWHERE);
    nodes.time.fill(Infinity);
    this.idlers.clear();
    nodes.isInner.fill(0);
    for (const node of groups) {
      if (nodes.parent[node] !== NONE) nodes.isInner[nodes.parent[node]] = 1;
      for (let at = node; at < node + CLASSES; at++) {
        this.available[at].size = 0;
        this.pending[at].size = 0;
      }
    }
    for (let queue = 0; queue < table.queues; queue++) {
      if (table.headOf(queue) !== NONE) this.place(slotOfQueue(queue), -Infinity, now);
    }
    for (const node of groups) {
      for (let kind = 0; kind < CLASSES; kind++) this.refresh(node, kind, now);
    }
  }

  /** Virtual time must not pass those who wait, or whoever comes next would come after them. */
  private advanceTag(node: number, child: number, cost: number): void {
    const { start, virtual, inverseWeight } = this.nodes;
    const tag = Math.max(start[child], virtual[node]);
    let served = tag;
    for (let at = node; at < node + CLASSES; at++) {
      const first = this.available[at].top();
      if (first !== NONE) served = Math.min(served, start[first >> 1]);
    }
    virtual[node] = Math.max(virtual[node], served);
    start[child] = tag + cost * inverseWeight[child];
  }

  /** From a node down to a member's slot, by turns and tags. */
  private descend(from: number, classes: number, now: number): number {
    let node = from;
    let mask = classes;
    while (!isMember(node)) {
      const reads = mask & 1 ? this.next(node, 0, now) : NONE;
      const writes = mask & 2 ? this.next(node, 1, now) : NONE;
      if (reads !== writes) {
        const readFirst = writes === NONE || (reads !== NONE && this.isBefore(reads, writes));
        mask = readFirst ? 1 : 2;
        node = readFirst ? reads : writes;
      } else node = reads;
    }
    const slot = 2 * node;
    return mask === 3 ? slot + this.firstClass(node) : slot + mask - 1;
  }

  /** The child that a node sends from next; it must have one. */
  private next(node: number, kind: number, now: number): number {
    const at = node + kind;
    if (this.held[at] !== NONE) return this.held[at];
    const pending = this.pending[at];
    if (pending.size > 0) this.becomeAvailable(at, pending, now);
    const { held } = this;
    return held[at] !== NONE ? held[at] : this.available[at].top() >> 1;
  }

  private becomeAvailable(at: number, pending: SlotHeap, now: number): void {
    const { time } = this.nodes;
    if (time[pending.top()] > now) return;
    // It was alone when its time came, and nobody who comes later takes that turn away.
    if (this.available[at].size === 0) this.held[at] = pending.top() >> 1;
    for (let slot = pending.top(); slot !== NONE && time[slot] <= now; slot = pending.top()) {
      this.place(slot, time[slot], now);
    }
  }

  /** Looks at the buckets from the member up to `top`. False: it holds its turn at one of them. */
  private passes(slot: number, now: number, top: number): boolean {
    const { parent } = this.nodes;
    const kind = slot & 1;
    this.ready = -Infinity;
    if (this.released || this.savings.chainOf(queueOfSlot(slot)).length === 0) return true;
    const bytes = this.headBytes(slot);
    let child = slot >> 1;
    do {
      const node = parent[child];
      const own = this.ownTime(node, kind, child, bytes, now);
      if (own > now) {
        this.hold(node, slot, now);
        return false;
      }
      this.ready = Math.max(this.ready, own);
      child = node;
    } while (child !== top);
    return true;
  }

  /** The same from `below` to the root, whoever holds a turn there. */
  private passesAbove(slot: number, below: number, now: number): boolean {
    const { parent } = this.nodes;
    const bytes = this.headBytes(slot);
    const kind = slot & 1;
    for (let node = parent[below]; node !== NONE; node = parent[node]) {
      if (this.nodes.inflight[node] >= this.nodes.window[node]) return false;
      const own = this.bucketTime(node, kind, bytes);
      if (own > now) {
        this.hold(node, slot, now);
        return false;
      }
      this.ready = Math.max(this.ready, own);
    }
    return true;
  }

  /** From the member up to `node` this request is what goes next in its class. */
  private hold(node: number, slot: number, now: number): void {
    const kind = slot & 1;
    let child = slot >> 1;
    while (child !== node) {
      const parent = this.nodes.parent[child];
      this.held[parent + kind] = child;
      child = parent;
    }
    this.refreshPath(node, kind, now, true);
    // One of the other class may have to wait for it, or need no longer wait for it further down.
    this.refreshPath(this.nodes.parent[slot >> 1], 1 - kind, now, true);
  }

  /**
   * Judges a slot of `from` and of the groups above it; `whole`: even when nothing changes. Where
   * reads and writes share a bucket both are judged in the same state, so that they never wait for
   * each other.
   */
  private refreshPath(from: number, kind: number, now: number, whole: boolean): void {
    const { parent } = this.nodes;
    let both = false;
    for (let node = from; node !== NONE; node = parent[node]) {
      let changed = this.refresh(node, kind, now);
      const shares = this.sharesBuckets(node);
      both ||= shares;
      if (both) changed = this.refresh(node, 1 - kind, now) || changed;
      if (shares) changed = this.refresh(node, kind, now) || changed;
      if (!changed && !whole) return;
    }
  }

  /** True if the slot may go at another time than before. */
  private refresh(node: number, kind: number, now: number): boolean {
    const slot = 2 * node + kind;
    const before = this.nodes.time[slot];
    const time = this.offerTime(node, kind, now);
    this.place(slot, time, now);
    return time !== before;
  }

  /** When the node can send something of the class, as far as its subtree is concerned. */
  private offerTime(node: number, kind: number, now: number): number {
    const { nodes, held } = this;
    const at = node + kind;
    if (nodes.inflight[node] >= nodes.window[node] && !this.released) return Infinity;
    let child = held[at];
    if (child !== NONE && nodes.time[2 * child + kind] === Infinity) {
      held[at] = NONE;
      child = NONE;
    }
    if (child === NONE) {
      // Its buckets are looked at when its turn comes.
      if (this.available[at].size > 0) return -Infinity;
      if (this.pending[at].size === 0) return Infinity;
      child = this.pending[at].top() >> 1;
    }
    const below = nodes.time[2 * child + kind];
    if (this.bucketsOf(node, kind).length === 0) return below;
    return Math.max(below, this.ownTime(node, kind, child, this.headBytes(2 * child + kind), now));
  }

  /** Puts a slot where it belongs below its parent. */
  private place(slot: number, time: number, now: number): void {
    const { nodes } = this;
    const entity = slot >> 1;
    const was = nodes.where[slot];
    const where = time <= now ? AVAILABLE : time < Infinity ? PENDING : NOWHERE;
    const moved = nodes.time[slot] !== time;
    if (entity === ROOT) nodes.time[slot] = time;
    if (entity === ROOT || (was === where && !moved)) return;
    this.idlers.isHolding = false;
    if (where !== NOWHERE) this.idlers.stop(entity);
    const at = nodes.parent[entity] + (slot & 1);
    if (was === where) {
      nodes.time[slot] = time;
      if (was === PENDING) this.pending[at].moved(slot);
      return;
    }
    if (was === AVAILABLE) this.available[at].remove(slot);
    else if (was === PENDING) this.pending[at].remove(slot);
    nodes.time[slot] = time;
    nodes.where[slot] = where;
    if (was === NOWHERE && nodes.where[slot ^ 1] === NOWHERE) nodes.ticket[entity] = ++this.turns;
    if (where === AVAILABLE) this.comeBack(at, slot);
    else if (where === PENDING) this.pending[at].push(slot);
    else if (nodes.where[slot ^ 1] === NOWHERE) this.idlers.begin(entity, now);
  }

  /** A slot becomes available, with neither credit nor debt unless its other class was there. */
  private comeBack(at: number, slot: number): void {
    const { nodes } = this;
    const entity = slot >> 1;
    if (nodes.where[slot ^ 1] !== AVAILABLE) {
      const { virtual, start } = nodes;
      start[entity] = Math.max(start[entity], virtual[nodes.parent[entity]]);
    }
    this.available[at].push(slot);
  }
}
