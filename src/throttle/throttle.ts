import { assert } from '../util/assert.js';
import { EXIT_USAGE, SluiceError } from '../util/errors.js';
import { Arbiter } from './arbiter.js';
import { type Bursts, checkBursts } from './bursts.js';
import { LANES } from './chains.js';
import { checkLimits } from './check-limits.js';
import { type CostModel, costModel } from './cost.js';
import { FifoLists, grownInt32 } from './fifo-lists.js';
import { findGroup, Group, placeForGroup, removableGroup } from './group.js';
import type { Limits } from './limits.js';
import type { Pressure } from './pressure.js';
import {
  checkDepth,
  checkLatencyTarget,
  checkMinimum,
  checkWeight,
  MAX_DEPTH,
  type Minimum,
} from './shares.js';
import { Counters, type Stats } from './stats.js';

export type { Bursts, CostModel, Group, Minimum, Pressure, Stats };

/** Directions. A discard (and zeroing) is charged as a write of its length. */
export const READ = 0;
export const WRITE = 1;
export const DISCARD = 2;

/** States of a request. */
const IDLE = 0;
const WAITING = 1;
const INFLIGHT = 2;

/** A class of requests that is served in order: reads, or writes and discards. */
const classOf = (direction: number): number => (direction === READ ? 0 : 1);

/**
 * Absolute limits for a tree of groups. Pure: no I/O, no timer, no clock. `now` is in ns, never
 * smaller than in the call before. The caller hands in requests as numbers below the capacity and
 * keeps one timeout armed for `wakeAt`.
 *
 * A group's limits bound all requests of all members in it and below it. Rules: see Buckets (when a
 * request may go) and Arbiter (which one goes first). Within a member, reads go in order, and
 * writes and discards go in order; members of one group take turns, request by request.
 *
 * A waiting request costs 30 bytes, allocated once: at 65536 requests 2 MB.
 */
export class Throttle {
  readonly root = new Group(0, '', null);
  private readonly groups: (Group | null)[] = [this.root];
  private readonly arbiter = new Arbiter();
  private readonly counters = new Counters();
  private released = false;

  /** Waiting requests in the queues of members: queue = member * LANES + class. */
  private readonly requests: FifoLists;
  /** Queues with waiting requests in lanes, in the order of their turns. */
  private readonly queues = new FifoLists(0, 0);
  private readonly state: Uint8Array;
  private readonly memberOf: Int32Array;
  private readonly directionOf: Uint8Array;
  private readonly bytesOf: Float64Array;
  private readonly arrivalOf: Float64Array;

  private readonly memberNames: string[] = [];
  private groupOf = new Int32Array(0);
  private readonly freeMembers: number[] = [];
  private model: CostModel = 'linear';
  private mode: 'auto' | number = 'auto';
  /** Sentences for the log, oldest first; whoever prints them empties the list. */
  readonly warnings: string[] = [];

  /** Requests are numbered 0 to `requestCapacity` - 1. */
  constructor(requestCapacity: number) {
    this.requests = new FifoLists(requestCapacity, 0);
    this.state = new Uint8Array(requestCapacity);
    this.memberOf = new Int32Array(requestCapacity);
    this.directionOf = new Uint8Array(requestCapacity);
    this.bytesOf = new Float64Array(requestCapacity);
    this.arrivalOf = new Float64Array(requestCapacity);
    this.growGroups();
    this.arbiter.afterChange(this.groups, this.laneHeads(), 0);
  }

  // Control path

  /**
   * Makes the group 'a/b' below the group 'a'. It has no limits, so `now` is not needed.
   * Throws EINVAL (name), ENOENT (no parent), EEXIST, EBUSY (parent has members).
   */
  createGroup(path: string): Group {
    const { parent, name } = placeForGroup(this.root, path);
    const unused = this.groups.indexOf(null);
    const id = unused === -1 ? this.groups.length : unused;
    const group = new Group(id, name, parent);
    this.groups[id] = group;
    parent.children.set(name, group);
    this.growGroups();
    this.arbiter.groupsChanged(this.groups);
    return group;
  }

  /** '' is the root group. */
  findGroup(path: string): Group | undefined {
    return findGroup(this.root, path);
  }

  /** Throws ENOENT; EBUSY while the group has children or members, and for the root group. */
  removeGroup(path: string): void {
    const group = removableGroup(this.root, path);
    const parent = group.parent as Group;
    parent.children.delete(group.name);
    this.groups[group.id] = null;
    this.counters.groupRemoved(group.id, parent.id);
    this.arbiter.groupRemoved(group.id, this.groups);
  }

  /**
   * Changes some limits of a group. Waiting requests are judged anew at once; debt and credit are
   * carried over in units. Throws EINVAL (not above 0), ERANGE (above 10^15); nothing changed then.
   */
  setLimits(group: Group, limits: Partial<Limits>, now: number): void {
    checkLimits(limits);
    this.arbiter.beforeChange(now);
    Object.assign(group.limits, limits);
    this.arbiter.buckets.setLimits(group.id, group.limits, now);
    this.afterChange(now);
  }

  /** Share among the active siblings. Throws EINVAL, ERANGE (not 1 to 10000). */
  setWeight(group: Group, weight: number, _now: number): void {
    checkWeight(weight);
    group.weight = weight;
  }

  /**
   * Changes some bursts of a group. Throws EINVAL (no plain limit, below it, seconds not above 0),
   * ERANGE (above 10^15, or longer than an hour); nothing changed then.
   */
  setBursts(group: Group, bursts: Partial<Bursts>, _now: number): void {
    checkBursts(bursts, group.limits);
    Object.assign(group.bursts, bursts);
  }

  /** Rates that are served first. Throws EINVAL, ERANGE (above 10^15). */
  setMinimum(group: Group, minimum: Partial<Minimum>, _now: number): void {
    checkMinimum(minimum);
    Object.assign(group.minimum, minimum);
  }

  /** In ns; Infinity: none. Throws EINVAL. */
  setLatencyTarget(group: Group, target: number, _now: number): void {
    checkLatencyTarget(target);
    group.latencyTarget = target;
  }

  get costModel(): CostModel {
    return this.model;
  }

  /** Throws EINVAL. */
  setCostModel(model: CostModel, _now: number): void {
    costModel(model);
    this.model = model;
  }

  /** Requests that may be in flight now. */
  get depth(): number {
    return this.mode === 'auto' ? MAX_DEPTH : this.mode;
  }

  get depthMode(): 'auto' | number {
    return this.mode;
  }

  /** Throws EINVAL, ERANGE (not 1 to 4096). */
  setDepth(depth: 'auto' | number, _now: number): void {
    if (depth !== 'auto') checkDepth(depth);
    this.mode = depth;
  }

  /** What `io.pressure` shows: the kernel's PSI, for the requests of the group and below it. */
  pressure(_group: Group, _now: number): Pressure {
    const zero = { avg10: 0, avg60: 0, avg300: 0, totalUs: 0 };
    return { some: { ...zero }, full: { ...zero } };
  }

  /** A new member of the root group; returns its number, which may be that of a removed one. */
  createMember(name: string): number {
    const member = this.freeMembers.pop() ?? this.memberNames.length;
    this.memberNames[member] = name;
    const length = Math.max(8, 2 ** Math.ceil(Math.log2(member + 1)));
    this.groupOf = grownInt32(this.groupOf, length, 0);
    this.counters.growMembers(length);
    this.requests.grow(0, length * LANES);
    this.queues.grow(length * LANES, 0);
    this.groupOf[member] = 0;
    this.root.members.add(member);
    return member;
  }

  /** Throws EBUSY while requests of the member wait or are in flight. */
  removeMember(member: number): void {
    const { queued, inflight } = this.memberStats(member);
    if (queued + inflight > 0) {
      const what = `member "${this.memberNames[member]}": has ${queued + inflight} requests`;
      throw new SluiceError(what, 'EBUSY', EXIT_USAGE);
    }
    this.memberGroup(member).members.delete(member);
    this.counters.memberRemoved(member, this.groupOf[member]);
    this.freeMembers.push(member);
  }

  memberName(member: number): string {
    return this.memberNames[member];
  }

  memberGroup(member: number): Group {
    return this.groups[this.groupOf[member]] as Group;
  }

  /**
   * Moves a member, with its waiting requests. Throws EBUSY if `group` has groups below it: members
   * live in leaves, and in the root group.
   */
  moveMember(member: number, group: Group, now: number): void {
    if (group !== this.root && group.children.size > 0) {
      const what = `group "${group.path}": has groups below it; members live in leaves`;
      throw new SluiceError(what, 'EBUSY', EXIT_USAGE);
    }
    const from = this.memberGroup(member);
    if (from === group) return;
    this.arbiter.beforeChange(now);
    for (let kind = 0; kind < LANES; kind++) {
      const queue = member * LANES + kind;
      if (this.requests.head[queue] === -1) continue;
      this.queues.remove(from.id * LANES + kind, queue);
      this.queues.push(group.id * LANES + kind, queue);
    }
    from.members.delete(member);
    group.members.add(member);
    this.groupOf[member] = group.id;
    this.counters.memberMoved(member, from.id, group.id);
    this.afterChange(now);
  }

  memberStats(member: number): Stats {
    return this.counters.ofMember(member);
  }

  /** What was charged in the group and below it, by members of now and of the past. */
  groupStats(group: Group): Stats {
    return this.counters.ofGroup(group);
  }

  /** Drain: from now on nothing waits. `next` hands out every waiter, `submit` answers true. */
  release(): void {
    this.released = true;
    this.arbiter.openAll();
  }

  // Data path

  /**
   * Hands in a request. True: admitted and charged, go on with it. False: it waits, for a limit or
   * for a place in the window, until `next` returns it or `cancel` takes it back.
   */
  submit(request: number, member: number, direction: number, bytes: number, now: number): boolean {
    assert(this.state[request] === IDLE, 'a request is submitted once');
    this.memberOf[request] = member;
    const lane = this.groupOf[member] * LANES + classOf(direction);
    const unlimited = this.arbiter.isFree(lane) && this.queues.head[lane] === -1;
    if (unlimited || this.released) {
      this.state[request] = INFLIGHT;
      this.counters.admitted(member, direction, bytes);
      return true;
    }
    return this.enqueue(request, lane, direction, bytes, now);
  }

  /** A request that may go now, already charged; -1 if there is none. Call until it returns -1. */
  next(now: number): number {
    const lane = this.released ? this.arbiter.chooseOldest() : this.arbiter.choose(now);
    return lane === -1 ? -1 : this.serve(lane, now);
  }

  /**
   * When `next` can have something again, in ns; Infinity if nothing waits. Exact after `next`
   * returned -1; after a submit, cancel or change of limits it may be early, never late.
   */
  get wakeAt(): number {
    return this.arbiter.wakeAt();
  }

  /** Takes a waiting request back; nothing is charged. False if it does not wait. */
  cancel(request: number): boolean {
    if (this.state[request] !== WAITING) return false;
    const member = this.memberOf[request];
    const lane = this.groupOf[member] * LANES + classOf(this.directionOf[request]);
    const wasHead = this.headOf(lane) === request;
    this.unlink(request, lane);
    this.state[request] = IDLE;
    this.counters.unqueued(member, 0);
    const head = this.headOf(lane);
    if (wasHead) this.arbiter.withdraw(lane);
    if (head === -1) this.arbiter.leave(lane);
    else if (wasHead) this.arbiter.replaceHead(lane, this.bytesOf[head]);
    if (this.released) this.arbiter.openAll();
    return true;
  }

  /** An admitted request has finished; its number may be used again. */
  complete(request: number, _now: number): void {
    assert(this.state[request] === INFLIGHT, 'only an admitted request completes');
    this.state[request] = IDLE;
    this.counters.completed(this.memberOf[request]);
  }

  isWaiting(request: number): boolean {
    return this.state[request] === WAITING;
  }

  private enqueue(
    request: number,
    lane: number,
    direction: number,
    bytes: number,
    now: number,
  ): boolean {
    const member = this.memberOf[request];
    const queue = member * LANES + classOf(direction);
    const laneWasEmpty = this.queues.head[lane] === -1;
    this.state[request] = WAITING;
    this.directionOf[request] = direction;
    this.bytesOf[request] = bytes;
    this.arrivalOf[request] = now;
    this.counters.queued(member);
    if (this.requests.head[queue] === -1) this.queues.push(lane, queue);
    this.requests.push(queue, request);
    if (!laneWasEmpty || !this.arbiter.enter(lane, bytes, now)) return false;
    this.serve(lane, now);
    return true;
  }

  /** Admits the first request of a lane. */
  private serve(lane: number, now: number): number {
    const request = this.headOf(lane);
    const member = this.memberOf[request];
    const queue = this.queues.head[lane];
    if (!this.released) this.arbiter.charge(lane, now);
    this.unlink(request, lane);
    if (this.requests.head[queue] !== -1) {
      // The next turn in this group is another member's.
      this.queues.remove(lane, queue);
      this.queues.push(lane, queue);
    }
    const head = this.headOf(lane);
    if (head === -1) this.arbiter.leave(lane);
    else if (this.released) this.arbiter.startOpenTurn(lane);
    else this.arbiter.startTurn(lane, this.bytesOf[head], now);
    this.state[request] = INFLIGHT;
    this.counters.unqueued(member, now - this.arrivalOf[request]);
    this.counters.admitted(member, this.directionOf[request], this.bytesOf[request]);
    return request;
  }

  private unlink(request: number, lane: number): void {
    const queue = this.memberOf[request] * LANES + classOf(this.directionOf[request]);
    this.requests.remove(queue, request);
    if (this.requests.head[queue] === -1) this.queues.remove(lane, queue);
  }

  /** The request that a lane wants to send next, -1 if it is empty. */
  private headOf(lane: number): number {
    const queue = this.queues.head[lane];
    return queue === -1 ? -1 : this.requests.head[queue];
  }

  private growGroups(): void {
    const length = Math.max(8, 2 ** Math.ceil(Math.log2(this.groups.length)));
    this.arbiter.buckets.grow(length);
    this.counters.growGroups(length);
    this.queues.grow(0, length * LANES);
  }

  private afterChange(now: number): void {
    this.arbiter.afterChange(this.groups, this.laneHeads(), now);
    if (this.released) this.arbiter.openAll();
  }

  /** Length of the first request of each lane, -1 for an empty lane. */
  private laneHeads(): Float64Array {
    const heads = new Float64Array(this.groups.length * LANES);
    for (let lane = 0; lane < heads.length; lane++) {
      const head = this.headOf(lane);
      heads[lane] = head === -1 ? -1 : this.bytesOf[head];
    }
    return heads;
  }
}
