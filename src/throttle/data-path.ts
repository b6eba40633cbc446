import { assert } from '../util/assert.js';
import { CLASSES } from './chains.js';
import { type CostParts, costModel } from './cost.js';
import { DepthControl } from './depth-control.js';
import { leafEntity, NONE, ROOT } from './entities.js';
import { FairTree } from './fair-tree.js';
import { LatencyControl } from './latency-control.js';
import { FULL, NO_STALL, PressureTable, SOME } from './pressure.js';
import { IDLE, INFLIGHT, RequestTable, WAITING } from './request-table.js';
import { Reservations } from './reservations.js';
import { Savings } from './savings.js';
import { MAX_DEPTH } from './shares.js';
import { Counters } from './stats.js';

/** Directions. A discard (and zeroing) is charged as a write of its length. */
export const READ = 0;
export const WRITE = 1;
export const DISCARD = 2;

/** A class of requests that is served in order: reads, or writes and discards. */
const classOf = (direction: number): number => (direction === READ ? 0 : 1);

/**
 * What happens to requests; Throttle adds what an administrator does. Pure: no I/O, no timer, no
 * clock. `now` is in ns, never smaller than in the call before. The caller hands in requests as
 * numbers below the capacity and keeps one timeout armed for `wakeAt`.
 *
 * A late timer loses nothing: a request is charged at `due`, the time at which its limits would have
 * let it go had the caller come in time, and credit is judged as of then. Waiting for a place in the
 * window does lose credit, or an opening window would let a burst through.
 */
export class DataPath {
  protected readonly table: RequestTable;
  protected readonly savings: Savings;
  protected readonly tree: FairTree;
  protected readonly counters: Counters;
  protected readonly pressures = new PressureTable();
  protected readonly reservations: Reservations;
  protected readonly latency: LatencyControl;
  protected readonly depthControl: DepthControl;
  private readonly maxDepth: number;
  /** Sentences for the log, oldest first; whoever prints them empties the list. */
  readonly warnings: string[] = [];
  protected cost: CostParts = costModel('linear');
  /** The window of `io.depth` when it is a number. */
  protected fixedDepth = 0;
  protected waiting = 0;
  private inflight = 0;
  /** The window was full, and nobody has asked since for what is free of it. */
  private wasFull = false;
  /** Leaf groups with requests, and with requests that wait. */
  private activeLeaves = 0;
  private waitingLeaves = 0;
  /** The last `now`. */
  protected clock = 0;
  /** Time in ns up to which all that was due has been served. */
  private due = 0;
  /** A first request was taken away: credit is judged as of the next call, whatever was due. */
  private restart = false;

  /**
   * Requests are numbered 0 to `requestCapacity` - 1.
   *
   * @param maxDepth Requests that the caller can have in flight, whatever `io.depth` says.
   * @param counters Counts what happens, for readers in other threads too.
   */
  constructor(requestCapacity: number, maxDepth = MAX_DEPTH, counters = new Counters()) {
    this.counters = counters;
    this.maxDepth = maxDepth;
    this.depthControl = new DepthControl(maxDepth);
    this.table = new RequestTable(requestCapacity);
    this.savings = new Savings(this.table);
    this.tree = new FairTree(this.table, this.savings);
    this.reservations = new Reservations(this.tree.nodes, this.warnings);
    this.latency = new LatencyControl(this.tree.nodes);
  }

  /** After `next`: what waits could go, but for a group whose next request is waited for. */
  get isIdling(): boolean {
    return this.tree.idlers.isHolding;
  }

  /** Requests that may be in flight now. */
  get depth(): number {
    return this.fixedDepth === 0
      ? this.depthControl.depth
      : Math.min(this.fixedDepth, this.maxDepth);
  }

  /**
   * When `next` can have something again, in ns; Infinity if nothing waits, or everything waits for
   * a request in flight. Exact after `next` returned -1; after a submit, cancel or change of limits
   * it may be early, never late.
   */
  get wakeAt(): number {
    return this.inflight >= this.depth ? Infinity : Math.max(0, this.tree.wakeAt());
  }

  /**
   * Hands in a request. True: admitted and charged, go on with it. False: it waits, for a limit or
   * for a place in the window, until `next` returns it or `cancel` takes it back.
   */
  submit(request: number, member: number, direction: number, bytes: number, now: number): boolean {
    const { table } = this;
    assert(table.state[request] === IDLE, 'a request is submitted once');
    this.clock = now;
    const queue = member * CLASSES + classOf(direction);
    table.memberOf[request] = member;
    table.directionOf[request] = direction;
    table.bytesOf[request] = bytes;
    table.arrivalOf[request] = now;
    table.readyOf[request] = now;
    if (this.inflight >= this.depth || !this.passes(queue, bytes, now)) {
      return this.enqueue(request, queue, now);
    }
    // Nobody to be fair to: tags would cost a third of the way through here.
    if (this.activeLeaves > 1 || this.fixedDepth !== 0) {
      this.tree.advance(queue, this.cost.base + this.cost.perByte * bytes);
    }
    this.start(request, now);
    if (this.fixedDepth === 0) this.depthControl.started(this.isLacking);
    return true;
  }

  /** A request that may go now, already charged; -1 if there is none. Call until it returns -1. */
  next(now: number): number {
    this.clock = now;
    const queue = this.inflight >= this.depth ? NONE : this.choose(now);
    if (queue === NONE) {
      // A place that is kept for a group counts as taken.
      if (this.inflight < this.depth && !this.tree.idlers.isHolding) this.wasFull = false;
      return NONE;
    }
    this.due = Math.min(now, Math.max(this.due, this.tree.ready));
    return this.serve(queue, now);
  }

  /** Takes a waiting request back; nothing is charged. False if it does not wait. */
  cancel(request: number): boolean {
    const { table } = this;
    if (table.state[request] !== WAITING) return false;
    const queue = table.queueOf(request);
    const wasHead = table.headOf(queue) === request;
    table.lists.remove(queue, request);
    table.state[request] = IDLE;
    this.waiting--;
    const member = table.memberOf[request];
    this.counters.unqueued(member, 0);
    this.countWaiting(member, -1, this.clock);
    if (wasHead) this.headCancelled(queue, table.bytesOf[request]);
    return true;
  }

  /** An admitted request has finished; its number may be used again. */
  complete(request: number, now: number): void {
    const { table } = this;
    this.clock = now;
    assert(table.state[request] === INFLIGHT, 'only an admitted request completes');
    table.state[request] = IDLE;
    const member = table.memberOf[request];
    const leaf = leafEntity(table.groupOf[member]);
    const full = this.inflight >= this.depth;
    if (full) this.due = Math.max(this.due, now);
    this.inflight--;
    this.counters.completed(member);
    this.countInFlight(member, -1, now);
    if (this.fixedDepth === 0) {
      const { base, perByte } = this.cost;
      const cost = base + perByte * table.bytesOf[request];
      // Callers take in several completions before they ask for more: the window was full for all.
      this.depthControl.completed(leaf, cost, this.wasFull, this.isLacking, this.inflight + 1, now);
    }
    if (this.latency.isActive) this.completedWatched(leaf, now - table.readyOf[request], now);
  }

  isWaiting(request: number): boolean {
    return this.table.state[request] === WAITING;
  }

  /** Judges every waiter anew. Between `beforeChange` and this the tree and limits may change. */
  protected rebuild(nodes: readonly number[], now: number): void {
    this.savings.rebuild();
    this.tree.rebuild(nodes, now);
    this.reservations.rebuild(now);
  }

  protected beforeChange(now: number): void {
    this.clock = now;
    this.due = this.timeOf(now);
    this.savings.buckets.settleAll(this.due);
  }

  /** The window opens or shuts: who waited for it has not saved up meanwhile. */
  protected windowChanges(now: number): void {
    if (this.inflight >= this.depth) this.due = Math.max(this.due, now);
  }

  /** Requests of a member come to the groups from `node` up, or leave them. */
  protected carry(node: number, inflight: number, queued: number, now: number): void {
    const { nodes } = this.tree;
    this.countLeaf(node, -1);
    for (let at = node; at !== NONE; at = nodes.parent[at]) {
      nodes.inflight[at] += inflight;
      nodes.queued[at] += queued;
      this.noteStall(at, now);
      this.tree.idlers.stop(at);
    }
    this.countLeaf(node, 1);
  }

  /** A group with requests in flight has none that waits, and nobody waits for it. */
  private get isLacking(): boolean {
    return this.waitingLeaves + this.tree.idlers.leaves < this.activeLeaves;
  }

  private countLeaf(leaf: number, by: number): void {
    const { inflight, queued } = this.tree.nodes;
    if (queued[leaf] > 0) this.waitingLeaves += by;
    if (inflight[leaf] + queued[leaf] > 0) this.activeLeaves += by;
  }

  /**
   * True if a request may go without a look at the tree; its limits are charged then. Limits that do
   * not bite are the common case, and the way through the tree costs five times as much.
   */
  private passes(queue: number, bytes: number, now: number): boolean {
    if (this.tree.released) return true;
    if (this.table.headOf(queue) !== NONE) return false;
    if (this.latency.isActive || !this.tree.isIdle(now)) return false;
    return this.savings.pass(queue, bytes, now);
  }

  private enqueue(request: number, queue: number, now: number): boolean {
    const { table } = this;
    const isFirst = table.headOf(queue) === NONE;
    table.state[request] = WAITING;
    this.waiting++;
    this.counters.queued(table.memberOf[request]);
    this.countWaiting(table.memberOf[request], 1, now);
    if (this.reservations.isActive)
      this.reservations.wake(leafEntity(table.groupOf[queue >> 1]), now);
    const time = isFirst ? this.timeOf(now) : 0;
    // Somebody else can go already: `next` will say who.
    const isAlone = this.inflight < this.depth && this.tree.isIdle(now);
    table.lists.push(queue, request);
    if (!isFirst) return false;
    this.savings.enter(queue, table.bytesOf[request], time);
    this.tree.enter(queue, now);
    if (!isAlone || this.choose(now) !== queue) return false;
    this.due = time;
    this.serve(queue, now);
    return true;
  }

  /** The queue to serve now: groups below their minimum first. */
  private choose(now: number): number {
    if (this.restart) this.restartAt(now);
    if (this.reservations.isActive) {
      const queue = this.reservations.choose(this.tree, now);
      if (queue !== NONE) return queue;
    }
    const queue = this.tree.choose(now);
    // Nothing was due up to now, so nothing that goes later goes in the name of an earlier time.
    if (queue === NONE) this.due = Math.max(this.due, now);
    return queue;
  }

  /** Admits the first request of a queue. */
  private serve(queue: number, now: number): number {
    const { table, savings } = this;
    if (this.fixedDepth === 0) this.depthControl.started(this.isLacking);
    const request = table.headOf(queue);
    const bytes = table.bytesOf[request];
    const limited = savings.chainOf(queue).length > 0 && !this.tree.released;
    if (limited) savings.charge(queue, bytes, this.due);
    table.lists.remove(queue, request);
    const head = table.headOf(queue);
    if (head === NONE) savings.leave(queue);
    else savings.replace(queue, table.bytesOf[head], this.due);
    table.readyOf[request] = Math.max(table.arrivalOf[request], this.tree.ready);
    this.tree.advance(queue, this.cost.base + this.cost.perByte * bytes);
    this.waiting--;
    this.counters.unqueued(table.memberOf[request], now - table.arrivalOf[request]);
    this.countWaiting(table.memberOf[request], -1, now);
    this.start(request, now);
    this.tree.headChanged(queue, limited || this.latency.isActive, now);
    return request;
  }

  private start(request: number, now: number): void {
    const { table } = this;
    const member = table.memberOf[request];
    table.state[request] = INFLIGHT;
    this.inflight++;
    if (this.inflight >= this.depth) this.wasFull = true;
    this.counters.admitted(member, table.directionOf[request], table.bytesOf[request]);
    this.countInFlight(member, 1, now);
    if (this.reservations.isActive) {
      this.reservations.served(leafEntity(table.groupOf[member]), table.bytesOf[request], now);
    }
  }

  private headCancelled(queue: number, bytes: number): void {
    const { table, savings } = this;
    savings.withdraw(queue, bytes);
    const head = table.headOf(queue);
    if (head === NONE) savings.leave(queue);
    else savings.replace(queue, table.bytesOf[head], this.due);
    this.tree.dropHolds(queue);
    this.tree.headChanged(queue, true, this.clock);
    this.restart = true;
  }

  private completedWatched(leaf: number, latency: number, now: number): void {
    const { nodes } = this.tree;
    this.latency.completed(leaf, latency, now);
    for (let node = leaf; node !== NONE; node = nodes.parent[node]) {
      const { window } = nodes;
      if (window[node] === Infinity) continue;
      if (nodes.inflight[node] === window[node] - 1) this.due = Math.max(this.due, now);
      this.tree.windowChanged(node, now);
    }
    for (let node = this.latency.takeChanged(); node !== NONE; node = this.latency.takeChanged()) {
      this.due = Math.max(this.due, now);
      this.tree.windowChanged(node, now);
    }
  }

  private countInFlight(member: number, by: number, now: number): void {
    const { nodes } = this.tree;
    const leaf = leafEntity(this.table.groupOf[member]);
    if (nodes.inflight[leaf] + nodes.queued[leaf] === (by > 0 ? 0 : 1)) this.activeLeaves += by;
    for (let node = leaf; ; node = nodes.parent[node]) {
      nodes.inflight[node] += by;
      if (by > 0) this.tree.idlers.started(node);
      else if (nodes.inflight[node] === 0) this.tree.idlers.stop(node);
      if (nodes.queued[node] > 0) this.noteStall(node, now);
      if (node === ROOT) return;
    }
  }

  private countWaiting(member: number, by: number, now: number): void {
    const { nodes } = this.tree;
    const leaf = leafEntity(this.table.groupOf[member]);
    if (nodes.queued[leaf] === (by > 0 ? 0 : 1)) this.waitingLeaves += by;
    if (nodes.inflight[leaf] + nodes.queued[leaf] === (by > 0 ? 0 : 1)) this.activeLeaves += by;
    for (let node = leaf; ; node = nodes.parent[node]) {
      nodes.queued[node] += by;
      if (by > 0) this.tree.idlers.stop(node);
      this.noteStall(node, now);
      if (node === ROOT) return;
    }
  }

  private noteStall(node: number, now: number): void {
    const { inflight, queued } = this.tree.nodes;
    const state = queued[node] === 0 ? NO_STALL : inflight[node] === 0 ? FULL : SOME;
    if (state !== this.pressures.stateOf(node >> 1)) {
      this.pressures.change(node >> 1, state, now);
    }
  }

  private restartAt(now: number): void {
    this.restart = false;
    this.due = now;
  }

  /** `now`, or if something was due before that and is not served yet, the time when it was due. */
  private timeOf(now: number): number {
    if (this.restart) this.restartAt(now);
    if (this.inflight >= this.depth) return now;
    return Math.min(now, Math.max(this.due, this.tree.wakeAt()));
  }
}
