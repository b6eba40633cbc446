import type { BucketGate } from './bucket-gate.js';
import type { DeviceIdling } from './device-idling.js';
import { entryOfQueue, isMember, NONE, type NodeTable, queueOfEntry, ROOT } from './node-table.js';
import { OP_CLASSES, type RequestTable } from './request-table.js';
import type { Siblings } from './siblings.js';

/** The parts that the tree works on. */
interface Parts {
  readonly table: RequestTable;
  readonly nodes: NodeTable;
  readonly siblings: Siblings;
  readonly gate: BucketGate;
  readonly idling: DeviceIdling;
}

/**
 * Hierarchical start-time fair queueing, SFQ(D) of Jin et al. at every level. Every node has a start
 * tag. Of the children that may send, the one with the least start tag goes, and its tag grows by
 * cost / weight. A node that has nothing to send, or may not, is absent for its siblings; when it
 * returns, its start tag is at least the virtual time of its parent, so it brings neither credit nor
 * debt. A group that has nothing to send now, but mostly has, keeps a place (DeviceIdling).
 *
 * The buckets of a node are looked at when a request below it is chosen. If they are not ready, the
 * node commits itself to the request: it sends nothing else of that class before, and is absent for
 * its parent until the buckets are ready. So a large request does not starve behind small ones, which
 * would always be ready earlier.
 */
export class SfqTree {
  /** After a choice: time in ns since which the buckets let the chosen request pass. */
  readySince = -Infinity;
  /**
   * Time in ns since which a request could go at all, before the choice of the moment. The one that is chosen may have passed its
   * buckets earlier, while a group above waited for a larger one.
   */
  dueSince = -Infinity;
  /** After a choice: time in ns at which the last node on its path has rested, for a latency target. */
  restedAt = -Infinity;
  readonly #table: RequestTable;
  readonly #nodes: NodeTable;
  readonly #siblings: Siblings;
  readonly #gate: BucketGate;
  readonly #idling: DeviceIdling;

  constructor({ table, nodes, siblings, gate, idling }: Parts) {
    this.#table = table;
    this.#nodes = nodes;
    this.#siblings = siblings;
    this.#gate = gate;
    this.#idling = idling;
  }

  /** Adds a group to the trees of all devices in use. @param parent Its parent's row, NONE for the root. */
  addGroup(row: number, parent: number): void {
    for (let device = 0; device < this.#nodes.devicesInUse; device++) {
      this.addGroupOn(device, row, parent);
    }
  }

  /** The same for one device. */
  addGroupOn(device: number, row: number, parent: number): void {
    const nodes = this.#nodes;
    const node = nodes.nodeOf(row, device);
    nodes.add(node, parent === NONE ? NONE : nodes.nodeOf(parent, device));
    this.#siblings.addGroup(node);
    this.#idling.addGroup(node);
  }

  /**
   * Earliest time in ns at which a request to the device can go; Infinity if none can. It is exact after
   * a choice that found nothing while the device does not idle. In all other cases it may be early.
   */
  wakeAt(device: number): number {
    return this.#idling.isIdling(device) ? this.#idling.recheckAt : this.#readyTimeAt(device);
  }

  /** True if no request can go at `now` and the device idles for no group: a new one may overtake. */
  isIdle(device: number, now: number): boolean {
    return !this.#idling.mayIdle(device) && !this.#isReady(device, now);
  }

  /** Gives a group another weight. @param inverse 1 / weight. */
  reweigh(node: number, inverse: number): void {
    this.#siblings.reweigh(node, inverse);
  }

  /** A queue that was empty has a head. */
  enter(queue: number, now: number): void {
    const { parent, virtualTime, classTag } = this.#nodes;
    const entry = entryOfQueue(queue);
    const node = entry >> 1;
    classTag[entry] = Math.max(classTag[entry], virtualTime[node]);
    this.#siblings.place(entry, -Infinity, now);
    this.#updatePath(parent[node], queue & 1, now, false);
  }

  /** Call before requests to the device are looked at: a choice that finds none may have let others wait no more. */
  beginChoice(device: number): void {
    this.dueSince = this.#readyTimeAt(device);
  }

  /** The queue whose head goes to the device next; NONE if none can go now, or the device idles. */
  choose(device: number, now: number): number {
    const root = this.#nodes.nodeOf(ROOT, device);
    this.#idling.reset(device);
    while (this.#isReady(device, now)) {
      const entry = this.#descend(root, now);
      if (!this.#gate.isDraining && this.#idling.holdsBack(entry, now)) return NONE;
      if (this.#passes(entry, now, root)) return queueOfEntry(entry);
    }
    return NONE;
  }

  /**
   * The same below `node` only, which precedes all others at the groups above. NONE if
   * nothing can go now.
   */
  chooseBelow(node: number, now: number): number {
    const { readyTime } = this.#nodes;
    while (readyTime[2 * node] <= now || readyTime[2 * node + 1] <= now) {
      const entry = this.#descend(node, now);
      if (this.#passes(entry, now, node)) {
        return this.#passesAbove(entry, node, now) ? queueOfEntry(entry) : NONE;
      }
    }
    return NONE;
  }

  /** The head of the queue goes: start tags grow by its `cost`, in units, on its path. */
  advance(queue: number, cost: number): void {
    const { parent, virtualTime, classTag, committed } = this.#nodes;
    const entry = entryOfQueue(queue);
    let child = entry >> 1;
    virtualTime[child] = Math.max(virtualTime[child], classTag[entry]);
    classTag[entry] = virtualTime[child] + cost;
    let isCommitted = true;
    for (let node = parent[child]; node !== NONE; child = node, node = parent[child]) {
      const at = 2 * node + (queue & 1);
      if (committed[at] === child && isCommitted) committed[at] = NONE;
      else if (committed[at] !== NONE) isCommitted = false;
      this.#siblings.advance(child, cost);
    }
  }

  /** The queue has lost its head; `charged`: buckets on its path were charged as well. */
  headGone(queue: number, charged: boolean, now: number): void {
    const entry = entryOfQueue(queue);
    const parent = this.#nodes.parent[entry >> 1];
    if (this.#table.headOf(queue) === NONE) this.#siblings.place(entry, Infinity, now);
    this.#updatePath(parent, queue & 1, now, charged);
    if (!charged) return;
    this.#updatePath(parent, 1 - (queue & 1), now, true);
    this.#updateHeldUp(parent, now);
    this.#updateOthers(parent, now);
  }

  /** The head of the queue was cancelled. */
  headCancelled(queue: number, now: number): void {
    this.#siblings.withdraw(queue);
    this.headGone(queue, true, now);
  }

  /** The bound of a node's requests in flight has changed, or their number beside it. */
  boundChanged(node: number, now: number): void {
    this.#updatePath(node, 0, now, false);
    this.#updatePath(node, 1, now, false);
  }

  /** Judges every waiting request anew; tags are kept. `rows`: all groups, children first. */
  rebuild(rows: readonly number[], now: number): void {
    const nodes = this.#nodes;
    this.#siblings.clear();
    this.#idling.clear();
    for (let queue = 0; queue < this.#table.queues; queue++) {
      if (this.#table.headOf(queue) === NONE) continue;
      this.#siblings.place(entryOfQueue(queue), -Infinity, now);
    }
    for (const row of rows) {
      for (let device = 0; device < nodes.devicesInUse; device++) {
        const node = nodes.nodeOf(row, device);
        for (let entry = 2 * node; entry < 2 * node + OP_CLASSES; entry++) this.#update(entry, now);
      }
    }
  }

  /** True if a request may go. The path of every request asks this: a time would be a new object each. */
  #isReady(device: number, now: number): boolean {
    const { readyTime } = this.#nodes;
    const root = this.#nodes.nodeOf(ROOT, device);
    return readyTime[2 * root] <= now || readyTime[2 * root + 1] <= now;
  }

  #readyTimeAt(device: number): number {
    const { readyTime } = this.#nodes;
    const root = this.#nodes.nodeOf(ROOT, device);
    return Math.min(readyTime[2 * root], readyTime[2 * root + 1]);
  }

  /** From a node that can send down to a member's entry, by start tags. */
  #descend(from: number, now: number): number {
    const { readyTime } = this.#nodes;
    let reads = readyTime[2 * from] <= now;
    let writes = readyTime[2 * from + 1] <= now;
    let node = from;
    while (!isMember(node)) {
      const reader = reads ? this.#siblings.chooseChild(2 * node, now) : NONE;
      const writer = writes ? this.#siblings.chooseChild(2 * node + 1, now) : NONE;
      if (reader !== writer) {
        reads = writer === NONE || (reader !== NONE && this.#nodes.precedes(reader, writer));
        writes = !reads;
      }
      node = reads ? reader : writer;
    }
    const opClass = reads && writes ? this.#nodes.firstClass(node) : writes ? 1 : 0;
    return 2 * node + opClass;
  }

  /** True if all buckets from the member up to `top` let the head pass; else commits to it. */
  #passes(entry: number, now: number, top: number): boolean {
    const { parent, restsUntil } = this.#nodes;
    this.readySince = this.restedAt = -Infinity;
    if (this.#gate.isUnlimited(queueOfEntry(entry))) return true;
    const bytes = this.#siblings.headBytes(entry);
    let child = entry >> 1;
    do {
      const node = parent[child];
      const time = this.#gate.readyTime(2 * node + (entry & 1), child, bytes, now);
      if (time > now) {
        this.#commit(entry, node, now);
        return false;
      }
      this.readySince = Math.max(this.readySince, time);
      this.restedAt = Math.max(this.restedAt, restsUntil[node]);
      child = node;
    } while (child !== top);
    return true;
  }

  /** The same from above `below` to the root, whatever the groups there are committed to. */
  #passesAbove(entry: number, below: number, now: number): boolean {
    const { parent, inflight, maxInflight, restsUntil } = this.#nodes;
    const bytes = this.#siblings.headBytes(entry);
    for (let node = parent[below]; node !== NONE; node = parent[node]) {
      if (inflight[node] >= maxInflight[node] || restsUntil[node] > now) return false;
      const time = this.#gate.bucketTime(2 * node + (entry & 1), bytes);
      if (time > now) {
        this.#commit(entry, node, now);
        return false;
      }
      this.readySince = Math.max(this.readySince, time);
    }
    return true;
  }

  #commit(entry: number, node: number, now: number): void {
    const opClass = entry & 1;
    this.#siblings.commit(entry, node);
    this.#updatePath(node, opClass, now, true);
    // One of the other class may have to wait for it, or need no longer wait for it further down.
    this.#updatePath(this.#nodes.parent[entry >> 1], 1 - opClass, now, true);
  }

  /**
   * Updates the times from which an entry of `from`, and those of the groups above it, may send: as far
   * up as times change; `whole`: up to the root. Where reads and writes share a bucket, both are judged in
   * the same state, so that they never wait for each other.
   */
  #updatePath(from: number, opClass: number, now: number, whole: boolean): void {
    const { parent } = this.#nodes;
    let both = false;
    for (let node = from; node !== NONE; node = parent[node]) {
      const entry = 2 * node + opClass;
      let changed = this.#update(entry, now);
      const shares = this.#gate.sharesBuckets(node);
      both ||= shares;
      if (both) changed = this.#update(entry ^ 1, now) || changed;
      if (shares) changed = this.#update(entry, now) || changed;
      if (!changed && !whole) return;
    }
  }

  /**
   * Buckets of a group and of those above were charged, and other requests that wait for them go later. One that waits for
   * such a request, as it is of the other class and they share a bucket further down, may not have to any more.
   */
  #updateHeldUp(from: number, now: number): void {
    const { parent } = this.#nodes;
    for (let node = from; node !== NONE; node = parent[node]) {
      for (let entry = 2 * node; entry < 2 * node + OP_CLASSES; entry++) {
        if (this.#gate.hasBuckets(entry)) this.#updateBelow(entry, now);
      }
    }
  }

  /** Of the groups from which the entry sends next, down to a member: updates those of the other class that wait for it. */
  #updateBelow(entry: number, now: number): void {
    const opClass = entry & 1;
    const other = 1 - opClass;
    let child = this.#siblings.nextChild(entry);
    while (child !== NONE && !isMember(child)) {
      const waits = this.#nodes.readyTime[2 * child + other] === Infinity;
      if (waits && this.#gate.sharesBuckets(child)) this.#updatePath(child, other, now, false);
      child = this.#siblings.nextChild(2 * child + opClass);
    }
  }

  /**
   * Buckets of a group and of those above were charged, or a request that they were kept for is gone: requests to other
   * devices use them too. Those need not be of the group itself.
   */
  #updateOthers(from: number, now: number): void {
    const nodes = this.#nodes;
    const own = nodes.deviceOf(from);
    for (let device = 0; device < nodes.devicesInUse; device++) {
      if (device === own) continue;
      let node = nodes.nodeOf(nodes.rowOf(from), device);
      while (node !== NONE && nodes.queued[node] === 0) node = nodes.parent[node];
      if (node === NONE) continue;
      for (let opClass = 0; opClass < OP_CLASSES; opClass++) {
        this.#updatePath(node, opClass, now, true);
      }
      this.#updateHeldUp(node, now);
    }
  }

  /** True if the ready time of the entry has changed. */
  #update(entry: number, now: number): boolean {
    const before = this.#nodes.readyTime[entry];
    const time = this.#readyTimeOf(entry, now);
    this.#siblings.place(entry, time, now);
    return time !== before;
  }

  /** By what is below the group, by its buckets, and by its bound of requests in flight. */
  #readyTimeOf(entry: number, now: number): number {
    const { inflight, maxInflight, restsUntil } = this.#nodes;
    const node = entry >> 1;
    const time = this.#readyTimeBelow(entry, now);
    if (this.#gate.isDraining) return time;
    if (inflight[node] >= maxInflight[node]) return Infinity;
    return restsUntil[node] > now ? Math.max(time, restsUntil[node]) : time;
  }

  #readyTimeBelow(entry: number, now: number): number {
    const { committed, readyTime } = this.#nodes;
    const siblings = this.#siblings;
    const gate = this.#gate;
    const opClass = entry & 1;
    let child = committed[entry];
    if (child !== NONE && readyTime[2 * child + opClass] === Infinity) {
      committed[entry] = NONE;
      child = NONE;
    }
    if (child === NONE) {
      // The buckets are looked at when an eligible child is chosen.
      if (siblings.hasEligible(entry)) return -Infinity;
      child = siblings.firstPending(entry);
      if (child === NONE) return Infinity;
    }
    const below = readyTime[2 * child + opClass];
    if (!gate.hasBuckets(entry)) return below;
    const bytes = siblings.headBytes(2 * child + opClass);
    return Math.max(below, gate.readyTime(entry, child, bytes, now));
  }
}
