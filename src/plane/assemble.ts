import { RawImage } from '../image/raw.js';
import type { Throttle } from '../throttle/throttle.js';
import { addControlTree } from '../tree/control-tree.js';
import { Tree } from '../tree/tree.js';
import type { Disk } from './disk.js';
import type { PlaneConfig } from './messages.js';
import { LockTable, RangeLocks } from './range-locks.js';

/** The parts of a data plane that are the same for every transport and engine. */

/** What they are made from. */
type SharedConfig = Pick<PlaneConfig, 'disks' | 'groups' | 'assignments' | 'about'>;

export function makeDisks(config: SharedConfig, throttle: Throttle): Disk[] {
  const table = new LockTable();
  return config.disks.map((disk, file) => ({
    config: disk,
    image: new RawImage(file, disk.hostSize),
    file,
    member: throttle.createMember(disk.name),
    locks: new RangeLocks(table),
    dirty: false,
    allocated: disk.allocated,
    modifiedMs: disk.modifiedMs,
  }));
}

export function makeGroups(config: SharedConfig, throttle: Throttle, disks: readonly Disk[]): void {
  for (const { path, limits } of config.groups) {
    throttle.setLimits(throttle.createGroup(path), limits, 0);
  }
  for (const { member, group } of config.assignments) {
    const disk = disks.find((candidate) => candidate.config.name === member)!;
    throttle.moveMember(disk.member, throttle.findGroup(group)!, 0);
  }
}

export function makeTree(config: SharedConfig, throttle: Throttle): Tree {
  const tree = new Tree();
  for (const [index, disk] of config.disks.entries()) {
    tree.addDisk(tree.root, `${disk.name}.raw`, index);
  }
  addControlTree(tree, throttle, config.about);
  return tree;
}
