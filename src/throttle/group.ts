import { EXIT_USAGE, SluiceError } from '../util/errors.js';
import { type Bursts, NO_BURSTS } from './bursts.js';
import { type Limits, NO_LIMITS } from './limits.js';
import { DEFAULT_WEIGHT, type Minimum } from './shares.js';

/** A node of the tree of groups. Read it freely; only the throttle changes it. */
export class Group {
  /** Small number, used again after the group is removed. The root group has 0. */
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
  /** In ns; Infinity: no target. */
  latencyTarget = Infinity;

  constructor(id: number, name: string, parent: Group | null) {
    this.id = id;
    this.name = name;
    this.parent = parent;
    this.path = parent === null || parent.path === '' ? name : `${parent.path}/${name}`;
  }
}

/** The group at `path` below `root`; '' is the root itself. */
export function findGroup(root: Group, path: string): Group | undefined {
  if (path === '') return root;
  let group: Group | undefined = root;
  for (const name of path.split('/')) {
    group = group.children.get(name);
    if (group === undefined) return undefined;
  }
  return group;
}

/**
 * Checks that a group can be made at `path` and says where.
 * Throws EINVAL (name), ENOENT (no parent), EEXIST, EBUSY (the parent has members: they live in
 * leaves only, as in cgroup v2; the root group is exempt there and here).
 */
export function placeForGroup(root: Group, path: string): { parent: Group; name: string } {
  const slash = path.lastIndexOf('/');
  const name = path.slice(slash + 1);
  for (const part of path.split('/')) checkName(path, part);
  const parentPath = slash === -1 ? '' : path.slice(0, slash);
  const parent = findGroup(root, parentPath);
  if (parent === undefined) {
    throw groupError(path, `its parent "${parentPath}" does not exist; make that first`, 'ENOENT');
  }
  if (parent.children.has(name)) throw groupError(path, 'exists already', 'EEXIST');
  if (parent !== root && parent.members.size > 0) {
    throw groupError(path, `its parent "${parentPath}" has members; move them first`, 'EBUSY');
  }
  return { parent, name };
}

/** Checks that the group at `path` can be removed. Throws ENOENT, EBUSY. */
export function removableGroup(root: Group, path: string): Group {
  const group = findGroup(root, path);
  if (group === undefined) throw groupError(path, 'does not exist', 'ENOENT');
  if (group === root) throw groupError(path, 'the root group stays', 'EBUSY');
  if (group.children.size > 0) throw groupError(path, 'has groups below it', 'EBUSY');
  if (group.members.size > 0) throw groupError(path, 'has members; move them first', 'EBUSY');
  return group;
}

/** Names that would clash with the control files of a group or mean another directory. */
function checkName(path: string, name: string): void {
  const clash = name === 'members' || name.startsWith('io.');
  if (name === '' || name === '.' || name === '..' || clash || name.includes('\0')) {
    throw groupError(path, `"${name}" is not a name for a group`, 'EINVAL');
  }
}

function groupError(path: string, what: string, errno: string): SluiceError {
  return new SluiceError(`group "${path}": ${what}`, errno, EXIT_USAGE);
}
