import { getSharedFigures, type SharedFigures } from '../lease/figures.js';
import { checkBursts } from '../throttle/bursts.js';
import type { CallerFigures } from '../throttle/callers.js';
import { costModel } from '../throttle/cost.js';
import { cappedLimits, checkLimits, type Limits, ofAllRates } from '../throttle/limits.js';
import { checkDepth, checkLatencyTarget, checkMinimum, checkWeight } from '../throttle/shares.js';
import type { Group, Pressure, Throttle } from '../throttle/throttle.js';
import { refuse } from '../util/errors.js';
import type { FaultsSnapshot } from './faults.js';
import type { ControlNews, GroupFigures, GroupState, GroupTimes } from './figures.js';
import { checkGroupName, unknownGroup } from './group-name.js';
import type { MemberChange } from './members.js';
import { type Changes, type GroupSettings, type MountSettings, newSettings } from './settings.js';
import { checkShared, SharedLimits } from './shared-limits.js';
import { SizedGroups } from './sized-groups.js';
import { checkPerGbs, type Sized } from './sized-limits.js';

/** The members of groups: images, and rules about callers. */
export interface Membership {
  /**
   * Checks changes, and returns the step that makes them, which does not fail.
   * Throws ENOENT (no such image, process or rule), EINVAL (a rule of another group), EBUSY (the
   * group has groups below it; the image is passed through).
   */
  prepare(group: Group, changes: readonly MemberChange[], nowNs: number): () => void;
  /** The throttle's numbers of a group's members, in the order in which they came. */
  list(group: Group, nowNs: number): number[];
}

/** An image of the mount. */
export interface ImageSnapshot {
  name: string;
  /** Of the host file. */
  path: string;
  format: string;
  /** Bytes. */
  size: number;
  readOnly: boolean;
  /** The kernel reads and writes its file by itself: neither counted nor limited. */
  passthrough: boolean;
  /** Faults that the user wants; null: none. */
  faults: FaultsSnapshot | null;
  /** The file that keeps what is read of its export; missing: it has none. */
  cache?: CacheSnapshot;
}

/** The cache of an export. */
export interface CacheSnapshot {
  path: string;
  /** Bytes that it has. */
  kept: number;
  /** Bytes of reads since the image came, that the cache answered and that the server did. */
  fromCache: number;
  fromServer: number;
  /** It takes more. */
  isGrowing: boolean;
}

/** A partition that the mount shows. */
export interface PartitionSnapshot {
  /** As a member, and before `.raw`. */
  name: string;
  /** Place in the image, bytes. */
  start: number;
  /** Of its file, which ends with the image at the latest. */
  size: number;
  /** As its table has it. */
  type: string;
  /** '' if it has none. */
  label: string;
}

/** What a mount shows besides groups. */
export interface Shown {
  images(): ImageSnapshot[];
  partitions(): PartitionSnapshot[];
  /** The threads that make requests, the busiest of late first. Missing: requests are not counted by thread. */
  callers?(): CallerFigures[];
}

/** A group as it is at one moment. */
export interface GroupSnapshot extends GroupState {
  /** Of the root group only; `window` is how many requests may be in flight now. */
  mount?: MountSettings & { window: number };
}

/** All that there is to know of a mount at one moment. Plain data. */
export interface Snapshot {
  /** Each group before those below it. */
  groups: GroupSnapshot[];
  images: ImageSnapshot[];
  partitions: PartitionSnapshot[];
}

/**
 * The groups of a mount, to be shown and changed. A group is named by its path, the root group by ''.
 * A change is made as a whole, or it is refused with a SluiceError and nothing is changed.
 */
export class Control {
  readonly #throttle: Throttle;
  readonly #members: Membership;
  readonly #now: () => number;
  readonly #shown: Shown;
  readonly #tell: (news: ControlNews) => void;
  readonly #sized: SizedGroups;
  /** By number of the group. */
  readonly #shared = new Map<number, SharedLimits>();

  /**
   * @param now The throttle's clock, ns.
   * @param tell Takes news for a reader of figures.
   */
  constructor(
    throttle: Throttle,
    members: Membership,
    now: () => number,
    shown: Shown,
    tell: (news: ControlNews) => void = () => {},
  ) {
    this.#tell = tell;
    this.#throttle = throttle;
    this.#members = members;
    this.#now = now;
    this.#shown = shown;
    this.#sized = new SizedGroups(throttle, () => {
      const all = [...this.images(), ...this.partitions()];
      return new Map(all.map(({ name, size }) => [name, size]));
    });
  }

  /** Throws the errors of `Membership.prepare`; EINVAL, ERANGE (a value); ENOENT (no such group); EBUSY. */
  apply(path: string, changes: Changes): void {
    const group = this.#group(path);
    const now = this.#now();
    const shared = this.#shared.get(group.id);
    checkSettings(group, this.#stated(group), changes, shared !== undefined);
    if (group.parent === null) this.#checkPromises(changes);
    const { limits, weight, minimum, latencyTarget, depth, cost, members } = changes;
    const moveMembers = members && this.#members.prepare(group, members, now);
    const throttle = this.#throttle;
    if (shared === undefined) this.#sized.apply(group, changes, now);
    else if (limits !== undefined) {
      Object.assign(shared.stated, limits);
      throttle.setLimits(group, shared.inForce, now);
    }
    if (weight !== undefined) throttle.setWeight(group, weight);
    if (minimum !== undefined) throttle.setMinimum(group, minimum, now);
    if (latencyTarget !== undefined) throttle.setLatencyTarget(group, latencyTarget, now);
    if (depth !== undefined) throttle.setDepth(depth, now);
    if (cost !== undefined) throttle.setCostModel(cost);
    moveMembers?.();
    this.#tellSettings(group);
    if (members !== undefined) this.followSizes(true);
  }

  /**
   * Lets limits that grow with images follow their sizes.
   * @param isDue Images or members have changed. False: images may have, which is found out some times a second.
   */
  followSizes(isDue: boolean): void {
    for (const group of this.#sized.follow(isDue, this.#now())) this.#tellSettings(group);
  }

  /** What the limits of a group have come to that grow with its images; null: none does. */
  sized(path: string): Sized | null {
    this.followSizes(true);
    return this.#sized.of(this.#group(path))?.sized ?? null;
  }

  #tellSettings(group: Group): void {
    const sized = this.#sized.of(group)?.sized ?? null;
    const settings = this.settings(group.path);
    this.#tell({ kind: 'settings', group: group.id, settings, sized });
  }

  /**
   * From now on hosts share the limits of a group, which has none yet.
   * @param firstPart The part of them that holds until there is a grant.
   */
  share(path: string, firstPart: number): void {
    const group = this.#group(path);
    const shared = new SharedLimits(firstPart, group.limits);
    this.#shared.set(group.id, shared);
    this.#tell({ kind: 'shared', group: group.id, figures: shared.figures });
  }

  /**
   * Sets what this host has of the limits of a group. Returns false if there is no such group, or none that
   * hosts share. What the user has set stays, and is what `settings` tells.
   */
  grant(path: string, granted: Partial<Limits>): boolean {
    const group = this.#throttle.findGroup(path);
    const shared = group && this.#shared.get(group.id);
    if (group === undefined || shared === undefined) return false;
    shared.grant(granted);
    const { warnings } = this.#throttle;
    const told = warnings.length;
    this.#throttle.setLimits(group, shared.inForce, this.#now());
    // A minimum that does not fit is told when the user sets it, not ten times a second.
    warnings.length = told;
    return true;
  }

  /** How hosts share the limits of a group; null if they do not. */
  sharing(path: string): SharedFigures | null {
    const shared = this.#shared.get(this.#group(path).id);
    return shared === undefined ? null : getSharedFigures(shared.figures);
  }

  /** A limit or target of the root group is one of all images. Throws EBUSY if one is passed through. */
  #checkPromises({
    limits = {},
    perGb = {},
    bursts = {},
    minimum = {},
    latencyTarget = Infinity,
  }: Changes): void {
    const { iopsSize: _, ...rates } = limits;
    const isPromised =
      Object.values(rates).some((rate) => rate !== Infinity) ||
      [...Object.values(perGb), ...Object.values(bursts)].some((one) => one !== null) ||
      Object.values(minimum).some((rate) => rate !== 0) ||
      latencyTarget !== Infinity;
    const passed = this.images().filter(({ passthrough }) => passthrough);
    if (!isPromised || passed.length === 0) return;
    const what = `no limit, minimum or target of / holds for ${passed[0]!.name}, which is passed through`;
    throw refuse(`${what}; set it in a group below`, 'EBUSY');
  }

  /** Throws EINVAL, ENAMETOOLONG (name), ENOENT (no parent), EEXIST, EBUSY (the parent has members). */
  makeGroup(path: string): void {
    checkGroupName(path.slice(path.lastIndexOf('/') + 1));
    this.#throttle.createGroup(path);
  }

  /** Throws ENOENT; EBUSY (members, groups below it, the root group). */
  removeGroup(path: string): void {
    // Listing the members first drops rules of ended processes, which would make the removal fail (EBUSY).
    const group = this.#group(path);
    this.#members.list(group, this.#now());
    this.#throttle.removeGroup(path);
    this.#shared.delete(group.id);
    this.#sized.remove(group);
  }

  hasGroup(path: string): boolean {
    return this.#throttle.findGroup(path) !== undefined;
  }

  /** Paths of the groups right below one. */
  groupsBelow(path: string): string[] {
    return [...this.#group(path).children.values()].map((child) => child.path);
  }

  settings(path: string): GroupSettings {
    const group = this.#group(path);
    const { weight, minimum, latencyTarget } = group;
    return structuredClone({ ...this.#stated(group), weight, minimum, latencyTarget });
  }

  /** What the user has set of the limits of a group, whatever of it is in force. */
  #stated(group: Group): Pick<GroupSettings, 'limits' | 'perGb' | 'bursts'> {
    const { limits: own, bursts } = group;
    const limits = this.#shared.get(group.id)?.stated ?? own;
    return this.#sized.of(group)?.stated ?? { limits, perGb: ofAllRates(null), bursts };
  }

  mountSettings(): MountSettings & { window: number } {
    const { depthMode, depth, costModel: cost } = this.#throttle;
    return { depth: depthMode, window: depth, cost };
  }

  pressure(path: string): Pressure {
    return this.#throttle.pressure(this.#group(path), this.#now());
  }

  /** Names of a group's members, in the order in which they came. */
  members(path: string): string[] {
    return this.#members
      .list(this.#group(path), this.#now())
      .map((member) => this.#throttle.memberName(member));
  }

  figures(path: string): GroupFigures {
    const group = this.#group(path);
    const members = this.#members.list(group, this.#now()).map((member) => ({
      name: this.#throttle.memberName(member),
      figures: this.#throttle.memberStats(member),
    }));
    return { path, members, total: this.#throttle.groupStats(group) };
  }

  times(path: string): GroupTimes {
    const group = this.#group(path);
    const now = this.#now();
    const members = this.#members.list(group, now).map((member) => ({
      name: this.#throttle.memberName(member),
      times: this.#throttle.memberTimes(member, now),
    }));
    return { members, total: this.#throttle.groupTimes(group, now) };
  }

  images(): ImageSnapshot[] {
    return this.#shown.images();
  }

  partitions(): PartitionSnapshot[] {
    return this.#shown.partitions();
  }

  callers(): CallerFigures[] {
    return this.#shown.callers?.() ?? [];
  }

  snapshot(): Snapshot {
    this.followSizes(true);
    const [images, partitions] = [this.images(), this.partitions()];
    return { groups: this.#snapshots(''), images, partitions };
  }

  #snapshots(path: string): GroupSnapshot[] {
    const shared = this.sharing(path);
    const sized = this.#sized.of(this.#group(path))?.sized;
    const group = {
      ...this.figures(path),
      settings: this.settings(path),
      pressure: this.pressure(path),
      times: this.times(path),
      ...(path === '' ? { mount: this.mountSettings() } : {}),
      ...(shared === null ? {} : { shared }),
      ...(sized === undefined ? {} : { sized }),
    };
    return [group, ...this.groupsBelow(path).flatMap((child) => this.#snapshots(child))];
  }

  #group(path: string): Group {
    const group = this.#throttle.findGroup(path);
    if (group !== undefined) return group;
    throw unknownGroup(path, ['', ...this.groupsBelow('')], '');
  }
}

/** Checks the settings of a group that is to be made. Throws EINVAL, ERANGE. */
export function checkNewGroup(changes: Changes): void {
  checkValues(newSettings(), changes);
}

/** What the user has set before. */
type Stated = Pick<GroupSettings, 'limits' | 'perGb'>;

/** Throws EINVAL, ERANGE. */
function checkSettings(group: Group, before: Stated, changes: Changes, isShared: boolean): void {
  checkValues(before, changes);
  if (isShared) checkShared(changes);
  if (group.parent === null) return;
  for (const key of ['depth', 'cost'] as const) {
    if (changes[key] !== undefined) throw refuse(`${key}: only the root group, /, has it`);
  }
}

function checkValues(before: Stated, changes: Changes): void {
  const { limits, perGb, bursts, weight, minimum, latencyTarget, depth, cost } = changes;
  if (limits !== undefined) checkLimits(limits);
  if (perGb !== undefined) checkPerGbs(perGb);
  const grown = { ...before.perGb, ...perGb };
  const plain = cappedLimits({ ...before.limits, ...limits }, (key, limit) =>
    // What it comes to changes, and a burst below it only does nothing.
    grown[key] === null ? limit : 0,
  );
  if (bursts !== undefined) checkBursts(bursts, plain);
  if (weight !== undefined) checkWeight(weight);
  if (minimum !== undefined) checkMinimum(minimum);
  if (latencyTarget !== undefined) checkLatencyTarget(latencyTarget);
  if (depth !== undefined && depth !== 'auto') checkDepth(depth);
  if (cost !== undefined) costModel(cost);
}
