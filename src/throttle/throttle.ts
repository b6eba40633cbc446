import { assert } from '../util/assert.js';
import { EXIT_USAGE, SluiceError } from '../util/errors.js';
import { type Bursts, checkBursts, RATES } from './bursts.js';
import { checkLimits } from './check-limits.js';
import { type CostModel, costModel } from './cost.js';
import { DataPath } from './data-path.js';
import { groupEntity, leafEntity, memberEntity, ROOT, ROOT_MEMBERS } from './entities.js';
import { findGroup, Group, placeForGroup, removableGroup } from './group.js';
import { type Limits, NO_LIMITS } from './limits.js';
import { minimumWarning } from './minimum-warning.js';
import type { Pressure } from './pressure.js';
import {
  checkDepth,
  checkLatencyTarget,
  checkMinimum,
  checkWeight,
  type Minimum,
} from './shares.js';
import type { Counters, Stats } from './stats.js';

export { DISCARD, READ, WRITE } from './data-path.js';
export type { Bursts, CostModel, Group, Minimum, Pressure, Stats };

/**
 * A tree of groups that decides which request goes next: absolute limits with bursts, weights over a
 * bounded window in flight, minimums and latency targets. What an administrator does is here, what
 * happens to requests in DataPath; rules: Buckets (when a request may go) and FairTree (which one
 * goes first). A change counts for every request that waits, at once.
 *
 * A group's limits bound all requests of all members in it and below it. Within a member, reads go
 * in order, and writes and discards go in order.
 */
export class Throttle extends DataPath {
  readonly root = new Group(0, '', null);
  private readonly groups: (Group | null)[] = [this.root];
  private readonly memberNames: string[] = [];
  private readonly unusedMembers: number[] = [];
  private readonly unusedGroups: number[] = [];
  /**
   * Groups came or went since it was found out which give way to which. That matters when one of them
   * gets members, and takes long: 10,000 groups that are made one by one took 200 s.
   */
  private latencyIsStale = false;
  private model: CostModel = 'linear';

  /** See DataPath. */
  constructor(requestCapacity: number, maxDepth?: number, counters?: Counters) {
    super(requestCapacity, maxDepth, counters);
    this.growGroups();
    this.savings.chains.rebuild(this.root, this.savings.buckets);
  }

  /**
   * Makes the group 'a/b' below the group 'a'. It has no limits, so `now` is not needed.
   * Throws EINVAL (name), ENOENT (no parent), EEXIST, EBUSY (parent has members).
   */
  createGroup(path: string): Group {
    const { parent, name } = placeForGroup(this.root, path);
    const id = this.unusedGroups.pop() ?? this.groups.length;
    const group = new Group(id, name, parent);
    this.groups[id] = group;
    parent.children.set(name, group);
    this.growGroups();
    this.counters.groupMade(id, name, parent.id);
    this.tree.addGroup(leafEntity(id), groupEntity(parent));
    this.pressures.reset(leafEntity(id) >> 1, this.clock);
    this.savings.chains.rebuild(group, this.savings.buckets);
    this.latencyIsStale = this.latency.isActive;
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
    this.unusedGroups.push(group.id);
    this.tree.removeGroup(leafEntity(group.id), parent.children.size > 0);
    this.counters.groupRemoved(group.id, parent.id);
    this.savings.buckets.setLimits(group.id, NO_LIMITS, this.clock);
    this.reservations.set(leafEntity(group.id), { bps: 0, iops: 0 }, this.clock);
    // Its siblings may have all their requests in flight again, at once.
    if (group.latencyTarget !== Infinity) this.watchLatencies();
    else this.latencyIsStale = this.latency.isActive;
  }

  /**
   * Changes some limits of a group. Waiting requests are judged anew at once; debt and credit are
   * carried over in units. A burst that fits its limit no more is dropped, with a warning. Throws
   * EINVAL (not above 0), ERANGE (above 10^15); nothing changed then.
   */
  setLimits(group: Group, limits: Partial<Limits>, now: number): void {
    checkLimits(limits);
    this.changeBuckets(group, now, () => {
      Object.assign(group.limits, limits);
      for (const key of RATES) {
        const burst = group.bursts[key];
        if (burst === null || burst.rate >= group.limits[key]) continue;
        group.bursts[key] = null;
        this.warnings.push(
          `group "${group.path}": the burst of ${key} is below its limit: dropped`,
        );
      }
    });
    this.warnings.push(...minimumWarning(group));
  }

  /**
   * Changes some bursts of a group; a new one can be used at once. Throws EINVAL (no plain limit,
   * below it, seconds not above 0), ERANGE (above 10^15, or longer than an hour); nothing changed
   * then.
   */
  setBursts(group: Group, bursts: Partial<Bursts>, now: number): void {
    checkBursts(bursts, group.limits);
    this.changeBuckets(group, now, () => Object.assign(group.bursts, bursts));
  }

  /** Share among the active siblings. Throws EINVAL, ERANGE (not 1 to 10000). */
  setWeight(group: Group, weight: number, _now: number): void {
    checkWeight(weight);
    group.weight = weight;
    this.tree.nodes.inverseWeight[groupEntity(group)] = 1 / weight;
  }

  /** Rates that are served first. Throws EINVAL, ERANGE (above 10^15). */
  setMinimum(group: Group, minimum: Partial<Minimum>, now: number): void {
    checkMinimum(minimum);
    Object.assign(group.minimum, minimum);
    this.reservations.set(groupEntity(group), group.minimum, now);
    this.warnings.push(...minimumWarning(group));
  }

  /** In ns; Infinity: none. Throws EINVAL. */
  setLatencyTarget(group: Group, target: number, now: number): void {
    checkLatencyTarget(target);
    group.latencyTarget = target;
    this.beforeChange(now);
    this.watchLatencies();
  }

  get costModel(): CostModel {
    return this.model;
  }

  /** Throws EINVAL. */
  setCostModel(model: CostModel, _now: number): void {
    this.cost = costModel(model);
    this.model = model;
  }

  get depthMode(): 'auto' | number {
    return this.fixedDepth === 0 ? 'auto' : this.fixedDepth;
  }

  /** Throws EINVAL, ERANGE (not 1 to 4096). A smaller window is reached as requests complete. */
  setDepth(depth: 'auto' | number, now: number): void {
    if (depth !== 'auto') checkDepth(depth);
    this.windowChanges(now);
    this.fixedDepth = depth === 'auto' ? 0 : depth;
  }

  /** What `io.pressure` shows: the kernel's PSI, for the requests of the group and below it. */
  pressure(group: Group, now: number): Pressure {
    return this.pressures.of(groupEntity(group) >> 1, now);
  }

  /** A new member of the root group; returns its number, which may be that of a removed one. */
  createMember(name: string): number {
    const member = this.unusedMembers.pop() ?? this.memberNames.length;
    this.memberNames[member] = name;
    const capacity = capacityFor(this.memberNames.length);
    this.counters.growMembers(capacity);
    this.counters.memberMade(member, name, this.root.id);
    this.table.growMembers(capacity);
    this.table.groupOf[member] = this.root.id;
    this.tree.addMember(memberEntity(member), ROOT_MEMBERS);
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
    const group = this.memberGroup(member);
    group.members.delete(member);
    this.counters.memberRemoved(member, group.id);
    this.unusedMembers.push(member);
  }

  memberName(member: number): string {
    return this.memberNames[member];
  }

  memberGroup(member: number): Group {
    return this.groups[this.table.groupOf[member]] as Group;
  }

  /**
   * Moves a member, with its requests. Throws EBUSY if `group` has groups below it: members live in
   * leaves, and in the root group.
   */
  moveMember(member: number, group: Group, now: number): void {
    if (group !== this.root && group.children.size > 0) {
      const what = `group "${group.path}": has groups below it; members live in leaves`;
      throw new SluiceError(what, 'EBUSY', EXIT_USAGE);
    }
    const from = this.memberGroup(member);
    if (from === group) return;
    if (this.latencyIsStale) this.watchLatencies();
    const { inflight, queued } = this.counters.ofMember(member);
    this.clock = now;
    if (queued > 0) this.beforeChange(now);
    this.carry(leafEntity(from.id), -inflight, -queued, now);
    this.carry(leafEntity(group.id), inflight, queued, now);
    from.members.delete(member);
    group.members.add(member);
    this.table.groupOf[member] = group.id;
    this.tree.nodes.attach(memberEntity(member), leafEntity(group.id));
    this.counters.memberMoved(member, this.memberNames[member], from.id, group.id);
    if (queued > 0) this.judgeAll(now);
  }

  memberStats(member: number): Stats {
    return this.counters.ofMember(member);
  }

  /** What was charged in the group and below it, by members of now and of the past. */
  groupStats(group: Group): Stats {
    return this.counters.ofGroup(group);
  }

  /**
   * Drain: from now on no limit counts. `next` hands out every waiter, as far as the window goes, and
   * `submit` answers true while there is a place in it.
   */
  release(): void {
    this.tree.released = true;
    this.judgeAll(this.clock);
  }

  private changeBuckets(group: Group, now: number, change: () => void): void {
    if (this.waiting > 0) this.beforeChange(now);
    else this.savings.buckets.settleGroup(group.id, now);
    this.clock = now;
    change();
    this.savings.buckets.setLimits(group.id, group.limits, now, group.bursts);
    this.savings.chains.rebuild(group, this.savings.buckets);
    if (this.waiting > 0) this.judgeAll(now);
  }

  /** Which groups give way to which, after a change of targets or of the tree. */
  private watchLatencies(): void {
    this.latencyIsStale = false;
    const targets: { node: number; target: number; others: number[] }[] = [];
    for (const group of this.groups) {
      if (group === null || group.latencyTarget === Infinity) continue;
      targets.push({
        node: groupEntity(group),
        target: group.latencyTarget,
        others: giveWayTo(group),
      });
    }
    this.latency.set(targets, this.clock);
    this.judgeAll(this.clock);
  }

  private judgeAll(now: number): void {
    assert(now >= this.clock, 'time does not go back');
    const nodes: number[] = [];
    addNodes(this.root, nodes);
    this.rebuild(nodes, now);
  }

  private growGroups(): void {
    // Node numbers of groups run to one beyond the last: ROOT_MEMBERS is one more.
    const capacity = capacityFor(this.groups.length + 1);
    this.savings.buckets.grow(capacity);
    this.counters.growGroups(capacity);
    this.pressures.grow(capacity);
    this.reservations.grow(capacity);
  }
}

/**
 * Rows of a table that has to hold `count` of something. `count` is the most there ever were, not the
 * number that was given out last: a number that is used again may be small.
 */
function capacityFor(count: number): number {
  return Math.max(8, 2 ** Math.ceil(Math.log2(count)));
}

/** Children before their parents. */
function addNodes(group: Group, nodes: number[]): void {
  for (const child of group.children.values()) addNodes(child, nodes);
  if (group.parent === null) nodes.push(ROOT_MEMBERS, ROOT);
  else nodes.push(groupEntity(group));
}

/** Siblings of the group and of the groups above it that have no target as tight. */
function giveWayTo(group: Group): number[] {
  const others: number[] = [];
  for (let at = group; at.parent !== null; at = at.parent) {
    for (const sibling of at.parent.children.values()) {
      if (sibling === at || sibling.latencyTarget <= group.latencyTarget) continue;
      others.push(groupEntity(sibling));
    }
    if (at.parent.parent === null) others.push(ROOT_MEMBERS);
  }
  return others;
}
