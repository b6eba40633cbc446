import { type Assembly, assemble } from './assemble.js';
import { type Bursts, checkBursts } from './bursts.js';
import { carryIn, carryOut, type ThrottleState } from './carry-over.js';
import { type CostModel, costModel } from './cost.js';
import type { Stats, Times } from './figure-rows.js';
import type { Group } from './group.js';
import { checkLimits, type Limits, NO_LIMITS, RATES } from './limits.js';
import { minimumWarning } from './minimum-warning.js';
import { groupRow, leafRow, NONE, ROOT, ROOT_MEMBERS } from './node-table.js';
import type { Pressure } from './pressure.js';
import { WAITING } from './request-table.js';
import {
  checkDepth,
  checkLatencyTarget,
  checkMinimum,
  checkWeight,
  MAX_DEPTH,
  type Minimum,
} from './shares.js';
import { Counters } from './stats.js';
import { fitTables } from './tables.js';

export { DISCARD, READ, WRITE } from './request-table.js';
export type { Bursts, CostModel, Group, Minimum, Pressure, Stats, ThrottleState };

/**
 * A tree of groups that decides which request goes next: absolute limits with bursts, weights over a
 * bounded number of requests in flight, minimums and latency targets. It is pure: no I/O, no timer,
 * no clock. Every `now` is in ns and never smaller than in the call before.
 *
 * The caller names requests by numbers and keeps one timer armed for `wakeAt`. A group's limits bound
 * all requests of all members in it and below it. Within a member, reads go in order, and writes and
 * discards go in order. A change of settings counts at once for every request that waits.
 */
export class Throttle {
  readonly #parts: Assembly;
  #costModel: CostModel = 'linear';
  /**
   * Groups came or went since latency control was told which groups give way to which. That matters
   * only when one of them gets members, and takes long: 10,000 groups made one by one took 200 s.
   */
  #targetsAreStale = false;

  /**
   * Requests are numbered 0 to `requestCapacity` - 1, devices 0 to `devices` - 1. `useDevices` tells of those
   * that come later than `devicesInUse`.
   *
   * @param maxDepth Requests that the caller can have in flight, whatever `io.depth` says.
   * @param counters Counts what happens, for readers in other threads too.
   * @param parts For tests.
   */
  constructor(
    requestCapacity: number,
    maxDepth = MAX_DEPTH,
    counters = new Counters(),
    devices = 1,
    devicesInUse = devices,
    parts = assemble(requestCapacity, maxDepth, counters, devices, devicesInUse),
  ) {
    this.#parts = parts;
  }

  get root(): Group {
    return this.#parts.groups.root;
  }

  /** Sentences for the log, oldest first. Whoever prints them empties the list. */
  get warnings(): string[] {
    return this.#parts.warnings;
  }

  /**
   * Hands in a request of `bytes`; `direction` is READ, WRITE or DISCARD. True: it is admitted and
   * charged. False: it waits, for a limit or for a place in flight, until `next` returns it or
   * `cancel` takes it back. Weights share each device by itself.
   */
  submit(
    request: number,
    member: number,
    direction: number,
    bytes: number,
    now: number,
    device = 0,
  ): boolean {
    return this.#parts.dispatcher.submit(request, member, direction, bytes, now, device);
  }

  /** A waiting request that may go now, charged already; -1 if there is none. Call until it is -1. */
  next(now: number): number {
    return this.#parts.dispatcher.next(now);
  }

  /** Nobody has called `next` on purpose up to now: what was due meanwhile is as if it came now. */
  skip(now: number): void {
    this.#parts.dispatcher.skip(now);
  }

  /** Takes a waiting request back; nothing is charged. False if it does not wait. */
  cancel(request: number): boolean {
    return this.#parts.dispatcher.cancel(request);
  }

  /** An admitted request has finished; its number may be used again. */
  complete(request: number, now: number): void {
    this.#parts.dispatcher.complete(request, now);
  }

  /** Time for which a request that was admitted had waited, ns. Known until its number is used again. */
  waitOf(request: number): number {
    return this.#parts.table.waitOf[request]!;
  }

  /** When it was admitted, ns. Known for as long. */
  admittedAt(request: number): number {
    return this.#parts.table.sinceOf[request]!;
  }

  isWaiting(request: number): boolean {
    return this.#parts.table.state[request] === WAITING;
  }

  /**
   * Time in ns at which `next` can have a request again; Infinity if none waits, or all wait for one
   * in flight. Exact after `next` returned -1; after a submit, cancel or change of limits it may be
   * early, never late.
   */
  get wakeAt(): number {
    return this.#parts.dispatcher.wakeAt;
  }

  /** True after `next` if waiting requests may go, but a device idles for a group's next one. */
  get isIdling(): boolean {
    const { nodes, idling } = this.#parts;
    for (let device = 0; device < nodes.devicesInUse; device++) {
      if (idling.isIdling(device)) return true;
    }
    return false;
  }

  /** Requests may go to devices 0 to `count` - 1 from now on. Fewer than before change nothing. */
  useDevices(count: number): void {
    const { nodes, groups, members, tree, latency } = this.#parts;
    for (let device = nodes.devicesInUse; device < count; device++) {
      nodes.devicesInUse = device + 1;
      tree.addGroupOn(device, ROOT, NONE);
      tree.addGroupOn(device, ROOT_MEMBERS, ROOT);
      for (const group of groups.below(groups.root)) {
        tree.addGroupOn(device, leafRow(group.id), groupRow(group.parent as Group));
        nodes.inverseWeight[nodes.nodeOf(groupRow(group), device)] = 1 / group.weight;
      }
      members.addDevice(device);
      if (latency.isActive) this.#setTargets();
    }
  }

  /** Requests that may be in flight now, on the device with the smallest window. */
  get depth(): number {
    return this.#parts.windows.depth;
  }

  /**
   * Makes the group 'a/b' below the group 'a', without limits.
   * Throws EINVAL (name), ENOENT (no parent), EEXIST, EBUSY (parent has members).
   */
  createGroup(path: string): Group {
    const { groups, members, tree, pressures, paths, counters, latency } = this.#parts;
    const { nodes, windows, dispatcher } = this.#parts;
    const group = groups.create(path);
    const parent = group.parent as Group;
    const row = leafRow(group.id);
    fitTables(this.#parts, groups.highWater, members.highWater);
    counters.groupMade(group.id, group.name, parent.id);
    tree.addGroup(row, groupRow(parent));
    for (let device = 0; device < nodes.devicesInUse; device++) {
      windows.contenders[device].remove(nodes.nodeOf(groupRow(parent), device));
    }
    pressures.reset(row, dispatcher.clock);
    paths.rebuild(group);
    this.#targetsAreStale = latency.isActive;
    return group;
  }

  /** The group at a path such as 'a/b'; '' is the root group. */
  findGroup(path: string): Group | undefined {
    return this.#parts.groups.find(path);
  }

  /** Throws ENOENT; EBUSY while the group has children or members, and for the root group. */
  removeGroup(path: string): void {
    const { groups, counters, buckets, reservations, latency, dispatcher } = this.#parts;
    const group = groups.remove(path);
    const parent = group.parent as Group;
    counters.groupRemoved(group.id, parent.id);
    buckets.setLimits(group.id, NO_LIMITS, dispatcher.clock);
    reservations.set(leafRow(group.id), { bps: 0, iops: 0 }, dispatcher.clock);
    // The siblings of a group with a target may have all their requests in flight again, at once.
    if (group.latencyTarget !== Infinity) this.#setTargets();
    else this.#targetsAreStale = latency.isActive;
  }

  /**
   * Changes some limits of a group. Debt and credit are carried over in units. A burst that fits its
   * limit no more is dropped, with a warning. Throws EINVAL (not above 0), ERANGE (above 10^15);
   * nothing changed then.
   */
  setLimits(group: Group, limits: Partial<Limits>, now: number): void {
    checkLimits(limits);
    this.#changeRates(group, now, () => {
      Object.assign(group.limits, limits);
      for (const key of RATES) {
        if ((group.bursts[key]?.rate ?? Infinity) >= group.limits[key]) continue;
        group.bursts[key] = null;
        const what = `the burst of ${key} does not fit its new limit: dropped`;
        this.warnings.push(`group "${group.path}": ${what}`);
      }
    });
    this.warnings.push(...minimumWarning(group));
  }

  /**
   * Changes some bursts of a group; the credit of a new one is there at once. Throws EINVAL (no plain
   * limit, below it, seconds not above 0), ERANGE (above 10^15, or longer than an hour); nothing
   * changed then.
   */
  setBursts(group: Group, bursts: Partial<Bursts>, now: number): void {
    checkBursts(bursts, group.limits);
    this.#changeRates(group, now, () => Object.assign(group.bursts, bursts));
  }

  /** Lets `change` change the limits or bursts of a group, and the buckets follow. */
  #changeRates(group: Group, now: number, change: () => void): void {
    const { buckets, paths, dispatcher } = this.#parts;
    if (dispatcher.waiting > 0) dispatcher.beforeChange(now);
    else {
      buckets.capGroup(group.id, now);
      dispatcher.clock = now;
    }
    change();
    buckets.setLimits(group.id, group.limits, now, group.bursts);
    paths.rebuild(group);
    if (dispatcher.waiting > 0) dispatcher.rebuild(now);
  }

  /** Sets the share among active siblings. Throws EINVAL, ERANGE (not 1 to 10000). */
  setWeight(group: Group, weight: number): void {
    checkWeight(weight);
    group.weight = weight;
    const { nodes, tree } = this.#parts;
    for (let device = 0; device < nodes.devicesInUse; device++) {
      tree.reweigh(nodes.nodeOf(groupRow(group), device), 1 / weight);
    }
  }

  /** Sets rates per second that are served first. Throws EINVAL, ERANGE (above 10^15). */
  setMinimum(group: Group, minimum: Partial<Minimum>, now: number): void {
    checkMinimum(minimum);
    Object.assign(group.minimum, minimum);
    this.#parts.reservations.set(groupRow(group), group.minimum, now);
    this.warnings.push(...minimumWarning(group));
  }

  /** Sets a target in ns; Infinity: none. Throws EINVAL (not above 0). */
  setLatencyTarget(group: Group, target: number, now: number): void {
    checkLatencyTarget(target);
    group.latencyTarget = target;
    this.#parts.dispatcher.beforeChange(now);
    this.#setTargets();
  }

  get costModel(): CostModel {
    return this.#costModel;
  }

  /** Sets the cost model of requests, for weights. Throws EINVAL. */
  setCostModel(model: CostModel): void {
    this.#parts.dispatcher.cost = costModel(model);
    this.#costModel = model;
  }

  get depthMode(): 'auto' | number {
    return this.#parts.windows.mode;
  }

  /** Throws EINVAL, ERANGE (not 1 to 4096). A smaller depth is reached as requests complete. */
  setDepth(depth: 'auto' | number, now: number): void {
    if (depth !== 'auto') checkDepth(depth);
    this.#parts.windows.setMode(depth, now);
  }

  /** The figures of `io.pressure`, like the kernel's PSI, for the requests of the group and below it. */
  pressure(group: Group, now: number): Pressure {
    return this.#parts.pressures.of(groupRow(group), now);
  }

  /** Makes a member of the root group. Returns its number, which may be that of a removed one. */
  createMember(name: string): number {
    return this.#parts.members.create(name);
  }

  /** Throws EBUSY while requests of the member wait or are in flight. */
  removeMember(member: number): void {
    this.#parts.members.remove(member);
  }

  memberName(member: number): string {
    return this.#parts.members.nameOf(member);
  }

  memberGroup(member: number): Group {
    return this.#parts.members.groupOf(member);
  }

  /**
   * Moves a member, with its requests. Throws EBUSY if `group` has groups below it: members live in
   * leaves, and in the root group.
   */
  moveMember(member: number, group: Group, now: number): void {
    const { members } = this.#parts;
    if (!members.canMove(member, group)) return;
    if (this.#targetsAreStale) this.#setTargets();
    members.move(member, group, now);
  }

  /**
   * The member is in the root group, without a name, until `removeMember`. Neither figures nor `carryOut` tell of it, so
   * that nobody takes it for one that was put there.
   */
  retireMember(member: number, now: number): void {
    this.#parts.members.takeName(member);
    this.moveMember(member, this.root, now);
  }

  memberStats(member: number): Stats {
    return this.#parts.counters.ofMember(member);
  }

  /** Charges in the group and below it, by present and past members. */
  groupStats(group: Group): Stats {
    return this.#parts.counters.ofGroup(group);
  }

  /** Times of the member's requests, in the group that it is in. */
  memberTimes(member: number, now: number): Times {
    return this.#parts.counters.timesOfMember(member, now);
  }

  /** Times of the requests in the group and below it, by present and past members. */
  groupTimes(group: Group, now: number): Times {
    return this.#parts.counters.timesOfGroup(group, now);
  }

  /** What another process needs to go on in place of this one. */
  carryOut(now: number): ThrottleState {
    return carryOut(this.#parts, (member) => this.memberName(member), now);
  }

  /**
   * Goes on where another one has stopped at the time `then`. The groups are as they were there.
   * @param unseenNs For so long after `then` it may have let requests go of which the state knows nothing.
   */
  carryIn(state: ThrottleState, then: number, unseenNs = 0): void {
    carryIn(this.#parts, (member) => this.memberName(member), state, then, unseenNs);
  }

  /**
   * Lets everything go: from now on no limit counts. `next` hands out every waiting request, as far
   * as the depth allows, and `submit` answers true while a place is free.
   */
  drain(): void {
    this.#parts.gate.isDraining = true;
    this.#parts.dispatcher.rebuild(this.#parts.dispatcher.clock);
  }

  /** Tells latency control which groups give way to which, after a change of targets or groups. */
  #setTargets(): void {
    const { groups, latency, dispatcher } = this.#parts;
    this.#targetsAreStale = false;
    latency.set(groups.targets(), dispatcher.clock);
    dispatcher.rebuild(dispatcher.clock);
  }
}
