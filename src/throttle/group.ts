import { type Bursts, NO_BURSTS } from './bursts.js';
import { type Limits, NO_LIMITS } from './limits.js';
import { DEFAULT_WEIGHT, type Minimum } from './shares.js';

/** A group of the tree, with its settings. Only the throttle changes it. */
export class Group {
  /** A small number that is used again after the group is removed. The root group has 0. */
  readonly id: number;
  /** Last part of the path, '' for the root group. */
  readonly name: string;
  /** 'a/b'; '' for the root group. */
  readonly path: string;
  readonly parent: Group | null;
  readonly children = new Map<string, Group>();
  /** Numbers of the members, in the order in which they came. */
  readonly members = new Set<number>();
  limits: Limits = { ...NO_LIMITS };
  bursts: Bursts = { ...NO_BURSTS };
  weight = DEFAULT_WEIGHT;
  minimum: Minimum = { bps: 0, iops: 0 };
  /** In ns; Infinity without a target. */
  latencyTarget = Infinity;

  constructor(id: number, name: string, parent: Group | null) {
    this.id = id;
    this.name = name;
    this.parent = parent;
    this.path = parent === null || parent.path === '' ? name : `${parent.path}/${name}`;
  }
}
