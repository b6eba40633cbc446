import { formatLimits } from '../throttle/parse-limits.js';
import type { Group, Throttle } from '../throttle/throttle.js';
import { formatStats } from './io-stat.js';
import type { DirectoryNode, Tree } from './tree.js';

const READ_ONLY = 0o444;

/**
 * Adds `.groups`: a directory for each throttling group with its control files, and in the root
 * group `daemon`, which says who serves this mount.
 */
export function addControlTree(tree: Tree, throttle: Throttle, about: string): void {
  const root = tree.addDirectory(tree.root, '.groups');
  addGroup(tree, root, throttle, throttle.root);
  tree.addControl(root, 'daemon', { mode: READ_ONLY, read: () => about });
}

function addGroup(tree: Tree, directory: DirectoryNode, throttle: Throttle, group: Group): void {
  const file = (name: string, read: () => string) =>
    tree.addControl(directory, name, { mode: READ_ONLY, read });
  file('io.max', () => `${formatLimits(group.limits)}\n`);
  file('io.stat', () => formatStats(throttle, group));
  file('members', () =>
    memberNames(throttle, group)
      .map((name) => `${name}\n`)
      .join(''),
  );
  for (const child of group.children.values()) {
    addGroup(tree, tree.addDirectory(directory, child.name), throttle, child);
  }
}

function memberNames(throttle: Throttle, group: Group): string[] {
  return [...group.members].map((member) => throttle.memberName(member));
}
