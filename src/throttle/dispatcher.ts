import { assert } from '../util/assert.js';
import { type CostParts, costModel } from './cost.js';
import { entryOfQueue, NONE } from './node-table.js';
import type { Parts } from './parts.js';
import { IDLE, INFLIGHT, WAITING } from './request-table.js';

/**
 * Takes requests in, decides which one goes next, and follows them until they complete. Pure: no I/O,
 * no timer, no clock. `now` is in ns and never smaller than in the call before. What an administrator
 * changes is in Throttle.
 */
export class Dispatcher {
  readonly #parts: Parts;
  /** The cost model of requests from now on, for weights. */
  cost: CostParts = costModel('linear');
  /** The last `now`, in ns. */
  clock = 0;
  #waiting = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Requests that wait. */
  get waiting(): number {
    return this.#waiting;
  }

  /** See Throttle. */
  get wakeAt(): number {
    return Math.max(0, this.#dueAt());
  }

  /** See Throttle. */
  submit(
    request: number,
    member: number,
    direction: number,
    bytes: number,
    now: number,
    device: number,
  ): boolean {
    const { table, windows, tree } = this.#parts;
    assert(table.state[request] === IDLE, 'a request is submitted once');
    this.clock = now;
    table.memberOf[request] = member;
    table.deviceOf[request] = device;
    table.directionOf[request] = direction;
    table.bytesOf[request] = bytes;
    table.sinceOf[request] = now;
    table.waitOf[request] = 0;
    table.readyOf[request] = now;
    const queue = table.queueOf(request);
    if (windows.isFull(device) || !this.#passes(queue, bytes, device, now)) {
      return this.#enqueue(request, queue, now);
    }
    // With a single group there is nobody to be fair to, and tags cost a third of this path.
    if (windows.isShared(device) || !windows.isAuto) tree.advance(queue, this.#costOf(bytes));
    this.#start(request, 0, now);
    return true;
  }

  /** See Throttle. */
  next(now: number): number {
    const { windows, nodes, tree, credit } = this.#parts;
    this.clock = now;
    windows.follow(now);
    if (windows.areFull) return NONE;
    const queue = this.#choose(now);
    if (queue === NONE) return NONE;
    const freeSince = windows.freeSince[nodes.deviceOf(entryOfQueue(queue) >> 1)];
    const { readySince, dueSince, restedAt } = tree;
    credit.advanceTo(Math.max(readySince, dueSince, restedAt, freeSince), now);
    return this.#serve(queue, now);
  }

  /** See Throttle. */
  cancel(request: number): boolean {
    const { table, counters, backlog, credit, tree } = this.#parts;
    if (table.state[request] !== WAITING) return false;
    const queue = table.queueOf(request);
    const wasHead = table.headOf(queue) === request;
    table.lists.remove(queue, request);
    table.state[request] = IDLE;
    this.#waiting--;
    counters.unqueued(table.memberOf[request], 0);
    backlog.add(this.#nodeOf(request), 0, -1, this.clock);
    if (wasHead) {
      credit.cancelled(queue, table.bytesOf[request]);
      tree.headCancelled(queue, this.clock);
    }
    return true;
  }

  /** See Throttle. */
  complete(request: number, now: number): void {
    const { table, nodes, windows, backlog, latency, credit } = this.#parts;
    this.clock = now;
    assert(table.state[request] === INFLIGHT, 'only an admitted request completes');
    table.state[request] = IDLE;
    const device = table.deviceOf[request];
    const node = this.#nodeOf(request);
    const leaf = nodes.parent[node];
    if (windows.areFull) credit.advance(now);
    windows.giveBack(device, now);
    const service = now - table.sinceOf[request];
    this.#count(request, service, now);
    backlog.add(node, -1, 0, now);
    if (windows.isShared(device)) {
      const cost = this.#costOf(table.bytesOf[request]);
      windows.contenders[device].completed(leaf, cost, service);
    }
    if (latency.isActive) this.#noteLatency(request, leaf, now);
  }

  #count(request: number, service: number, now: number): void {
    const { table, counters } = this.#parts;
    const { memberOf, directionOf, bytesOf, waitOf } = table;
    const member = memberOf[request];
    const direction = directionOf[request];
    counters.completed(member, direction, bytesOf[request], waitOf[request], service, now);
  }

  /** See Throttle. */
  skip(now: number): void {
    const { buckets, credit } = this.#parts;
    this.clock = now;
    credit.advance(now);
    buckets.capAll(now);
  }

  /** Call before limits or the tree change while requests wait, and `rebuild` after that. */
  beforeChange(now: number): void {
    const { buckets, credit } = this.#parts;
    this.clock = now;
    credit.time = this.#timeOfNewHead(now);
    buckets.capAll(credit.time);
  }

  /** Judges every waiting request anew. */
  rebuild(now: number): void {
    const { groups, credit, tree, reservations } = this.#parts;
    assert(now >= this.clock, 'time does not go back');
    credit.rebuild();
    tree.rebuild(groups.rows(), now);
    reservations.rebuild(now);
  }

  /** Time in ns at which a request can go to a device that has a place free. */
  #dueAt(): number {
    const { nodes, windows, tree } = this.#parts;
    let dueAt = Infinity;
    for (let device = 0; device < nodes.devicesInUse; device++) {
      if (windows.isFull(device)) continue;
      // Requests that wait for a place keep no credit for that time.
      dueAt = Math.min(dueAt, Math.max(tree.wakeAt(device), windows.freeSince[device]));
    }
    return dueAt;
  }

  /** The node of the request's member, on its device. */
  #nodeOf(request: number): number {
    const { table, nodes } = this.#parts;
    return nodes.memberNode(table.memberOf[request], table.deviceOf[request]);
  }

  #costOf(bytes: number): number {
    return this.cost.base + this.cost.perByte * bytes;
  }

  /**
   * True if a request may go without a look at the tree; its limits are charged then. Most limits do
   * not bind, and the way through the tree costs five times as much.
   */
  #passes(queue: number, bytes: number, device: number, now: number): boolean {
    const { table, gate, tree, latency, credit } = this.#parts;
    if (gate.isDraining) return true;
    if (table.headOf(queue) !== NONE) return false;
    if (latency.isActive || !tree.isIdle(device, now)) return false;
    return credit.pass(queue, bytes, now);
  }

  /** Lets a request wait. True if it was alone after all, and has gone. */
  #enqueue(request: number, queue: number, now: number): boolean {
    const { table, nodes, counters, backlog, reservations, windows, tree, credit } = this.#parts;
    const device = table.deviceOf[request];
    const node = this.#nodeOf(request);
    const isHead = table.headOf(queue) === NONE;
    table.state[request] = WAITING;
    this.#waiting++;
    counters.queued(table.memberOf[request]);
    backlog.add(node, 0, 1, now);
    if (reservations.isActive) reservations.wake(nodes.parent[node], now);
    const time = isHead ? this.#timeOfNewHead(now) : 0;
    // If another request can go already, `next` decides which one does.
    const isAlone = !windows.isFull(device) && tree.isIdle(device, now);
    table.lists.push(queue, request);
    if (!isHead) return false;
    credit.enter(queue, table.bytesOf[request], time);
    tree.enter(queue, now);
    if (!isAlone || this.#choose(now) !== queue) return false;
    credit.time = time;
    this.#serve(queue, now);
    return true;
  }

  /** The queue to serve now: reservations first, then start tags. */
  #choose(now: number): number {
    const { nodes, windows, reservations, tree, credit } = this.#parts;
    credit.begin(now);
    for (let device = 0; device < nodes.devicesInUse; device++) {
      if (windows.isFull(device)) continue;
      tree.beginChoice(device);
      let queue = reservations.isActive ? reservations.choose(tree, device, now) : NONE;
      if (queue === NONE) queue = tree.choose(device, now);
      if (queue !== NONE) return queue;
    }
    // Nothing is due, so a request that goes later is not charged as of an earlier time.
    credit.advance(now);
    return NONE;
  }

  /** Dispatches the head of a queue. */
  #serve(queue: number, now: number): number {
    const { table, credit, gate, tree, counters, latency } = this.#parts;
    const request = table.headOf(queue);
    const bytes = table.bytesOf[request];
    const isLimited = !gate.isUnlimited(queue);
    if (isLimited) credit.charge(queue, bytes);
    table.lists.remove(queue, request);
    credit.nextHead(queue);
    table.readyOf[request] = Math.max(table.sinceOf[request], tree.readySince);
    tree.advance(queue, this.#costOf(bytes));
    this.#waiting--;
    table.waitOf[request] = now - table.sinceOf[request];
    counters.unqueued(table.memberOf[request], table.waitOf[request]);
    this.#start(request, 1, now);
    tree.headGone(queue, isLimited || latency.isActive, now);
    return request;
  }

  /** @param waited 1 if the request has waited, 0 if it goes at once. */
  #start(request: number, waited: number, now: number): void {
    const { table, nodes, windows, counters, backlog, reservations } = this.#parts;
    const node = this.#nodeOf(request);
    const bytes = table.bytesOf[request];
    table.state[request] = INFLIGHT;
    table.sinceOf[request] = now;
    windows.take(table.deviceOf[request]);
    counters.admitted(table.memberOf[request], table.directionOf[request], bytes);
    backlog.add(node, 1, -waited, now);
    if (reservations.isActive) reservations.served(nodes.parent[node], bytes, now);
  }

  /** Tells latency control of a completion, and the tree of the bounds that change by it. */
  #noteLatency(request: number, leaf: number, now: number): void {
    const { table, nodes, tree, latency, credit } = this.#parts;
    latency.completed(leaf, now - table.readyOf[request], now);
    for (let node = leaf; node !== NONE; node = nodes.parent[node]) {
      const bound = nodes.maxInflight[node];
      if (bound === Infinity) continue;
      if (nodes.inflight[node] === Math.ceil(bound) - 1) credit.advance(now);
      latency.rest(node, now - table.sinceOf[request], now);
      tree.boundChanged(node, now);
    }
    for (let node = latency.takeChanged(); node !== NONE; node = latency.takeChanged()) {
      credit.advance(now);
      tree.boundChanged(node, now);
    }
  }

  /** The time from which a head that comes at `now` keeps credit. */
  #timeOfNewHead(now: number): number {
    const { windows, credit } = this.#parts;
    credit.begin(now);
    return windows.areFull ? now : credit.timeOfNewHead(this.#dueAt(), now);
  }
}
