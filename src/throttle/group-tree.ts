import { refuse, type SluiceError } from '../util/errors.js';
import { Group } from './group.js';
import { groupRow, ROOT, ROOT_MEMBERS } from './node-table.js';

/** A latency target, and the rows that give way to it. */
export interface Target {
  readonly row: number;
  /** In ns. */
  readonly target: number;
  readonly others: readonly number[];
}

/** The tree of groups, and their numbers. */
export class GroupTree {
  readonly root = new Group(0, '', null);
  readonly #byId: (Group | null)[] = [this.root];
  readonly #freeIds: number[] = [];

  /** The most groups there ever were, the root group included. Numbers of groups are below it. */
  get highWater(): number {
    return this.#byId.length;
  }

  /** The group of a number, which must exist. */
  byId(id: number): Group {
    return this.#byId[id] as Group;
  }

  /** The group at a path such as 'a/b'; '' is the root group. */
  find(path: string): Group | undefined {
    if (path === '') return this.root;
    let group: Group | undefined = this.root;
    for (const name of path.split('/')) {
      group = group.children.get(name);
      if (group === undefined) return undefined;
    }
    return group;
  }

  /**
   * Makes a group. Throws EINVAL (name), ENOENT (no parent), EEXIST, and EBUSY if the parent has
   * members: as in cgroup v2, they live in leaves and in the root group.
   */
  create(path: string): Group {
    const { parent, name } = this.#placeFor(path);
    const id = this.#freeIds.pop() ?? this.#byId.length;
    const group = new Group(id, name, parent);
    this.#byId[id] = group;
    parent.children.set(name, group);
    return group;
  }

  /** Removes a group. Throws ENOENT; EBUSY if it has groups or members, or is the root group. */
  remove(path: string): Group {
    const group = this.find(path);
    if (group === undefined) throw groupError(path, 'does not exist', 'ENOENT');
    if (group.parent === null) throw groupError(path, 'the root group stays', 'EBUSY');
    if (group.children.size > 0) throw groupError(path, 'has groups below it', 'EBUSY');
    if (group.members.size > 0) throw groupError(path, 'has members; move them first', 'EBUSY');
    group.parent.children.delete(group.name);
    this.#byId[group.id] = null;
    this.#freeIds.push(group.id);
    return group;
  }

  /** All groups below one, each before those below it. */
  *below(group: Group): Generator<Group> {
    for (const child of group.children.values()) {
      yield child;
      yield* this.below(child);
    }
  }

  /** Rows of all groups, children before their parents. */
  rows(): number[] {
    const rows: number[] = [];
    addRows(this.root, rows);
    return rows;
  }

  /** The latency targets of all groups. */
  targets(): Target[] {
    const targets: Target[] = [];
    for (const group of this.#byId) {
      if (group === null || group.latencyTarget === Infinity) continue;
      const { latencyTarget: target } = group;
      targets.push({ row: groupRow(group), target, others: givingWayTo(group) });
    }
    return targets;
  }

  #placeFor(path: string): { parent: Group; name: string } {
    const slash = path.lastIndexOf('/');
    const name = path.slice(slash + 1);
    for (const part of path.split('/')) checkName(path, part);
    const parentPath = slash === -1 ? '' : path.slice(0, slash);
    const parent = this.find(parentPath);
    if (parent === undefined) {
      throw groupError(
        path,
        `its parent "${parentPath}" does not exist; make that first`,
        'ENOENT',
      );
    }
    if (parent.children.has(name)) throw groupError(path, 'exists already', 'EEXIST');
    if (parent !== this.root && parent.members.size > 0) {
      throw groupError(path, `its parent "${parentPath}" has members; move them first`, 'EBUSY');
    }
    return { parent, name };
  }
}

function addRows(group: Group, rows: number[]): void {
  for (const child of group.children.values()) addRows(child, rows);
  if (group.parent === null) rows.push(ROOT_MEMBERS, ROOT);
  else rows.push(groupRow(group));
}

/** Siblings of the group, and of the groups above it, that have no target as tight. */
function givingWayTo(group: Group): number[] {
  const others: number[] = [];
  for (let at = group; at.parent !== null; at = at.parent) {
    for (const sibling of at.parent.children.values()) {
      if (sibling === at || sibling.latencyTarget <= group.latencyTarget) continue;
      others.push(groupRow(sibling));
    }
    if (at.parent.parent === null) others.push(ROOT_MEMBERS);
  }
  return others;
}

/** Refuses names that would clash with the control files of a group or mean another directory. */
function checkName(path: string, name: string): void {
  const clash = name === 'members' || name.startsWith('io.');
  if (name === '' || name === '.' || name === '..' || clash || name.includes('\0')) {
    throw groupError(path, `"${name}" is not a name for a group`, 'EINVAL');
  }
}

function groupError(path: string, what: string, errno: string): SluiceError {
  return refuse(`group "${path || '/'}": ${what}`, errno);
}
