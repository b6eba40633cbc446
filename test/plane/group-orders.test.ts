import test from 'ava';
import { Control, type Membership } from '../../src/control/control.js';
import { parseWords } from '../../src/control/text.js';
import { obeyGroupOrder } from '../../src/plane/group-orders.js';
import { Throttle } from '../../src/throttle/throttle.js';
import { ControlTree } from '../../src/tree/control-tree.js';
import { type DirectoryNode, Tree } from '../../src/tree/tree.js';
import { refuse } from '../../src/util/errors.js';

const DONE = { error: null, shown: null, gone: [] };

function rig() {
  const throttle = new Throttle(16);
  const members: Membership = {
    prepare: () => {
      throw refuse('there is no such image', 'ENOENT');
    },
    list: (group) => [...group.members],
  };
  const control = new Control(throttle, members, () => 0, {
    images: () => [],
    partitions: () => [],
    callers: () => [],
  });
  const tree = new Tree();
  const orders = { isOpen: false, take: () => 0 };
  const files = new ControlTree(tree, control, '', { reread: () => 0, orders }, () => {});
  const folder = tree.root.children.get('.groups') as DirectoryNode;
  const isShown = (path: string): boolean => {
    const find = (node: DirectoryNode | undefined, name: string) =>
      node?.children.get(name) as DirectoryNode | undefined;
    return path.split('/').reduce(find, folder) !== undefined;
  };
  const change = (group: string, words: string[], create = false) => {
    const changes = words.length === 0 ? {} : parseWords(words, group === '');
    return obeyGroupOrder(control, files, { kind: 'change', group, create, changes });
  };
  return { control, files, folder, isShown, change };
}

test('groups come with those above them, and have folders', (t) => {
  const { control, isShown, change, files, folder } = rig();
  t.deepEqual(change('a/b', ['bps=10M', 'weight=7'], true), DONE);
  t.is(control.settings('a/b').limits.bps, 10 << 20);
  t.is(control.settings('a/b').weight, 7);
  t.true(isShown('a/b/io.max'));
  t.deepEqual(change('a/b', [], true), DONE);
  const gone = { parent: (folder.children.get('a') as DirectoryNode).id, name: 'b' };
  const remove = { kind: 'remove', group: 'a/b' } as const;
  t.deepEqual(obeyGroupOrder(control, files, remove), { ...DONE, gone: [gone] });
  t.true(isShown('a'));
  t.false(isShown('a/b'));
});

test('a change that is refused leaves no group and no setting behind', (t) => {
  const { control, isShown, change, files } = rig();
  const { error } = change('a/b', ['bps=1M', 'member=web'], true);
  t.deepEqual(error, { message: 'there is no such image', errno: 'ENOENT', exitCode: 2 });
  t.deepEqual(control.groupsBelow(''), []);
  t.false(isShown('a'));
  t.is(change('a', ['bps=1M']).error!.message, 'there is no group "a"; groups: /');
  change('a', ['bps=1M'], true);
  t.is(change('a', ['iops=5', 'burst.bps=1M/10', 'burst.riops=8/2']).error!.errno, 'EINVAL');
  t.is(control.settings('a').limits.iops, Infinity);
  change('a/b', [], true);
  t.is(obeyGroupOrder(control, files, { kind: 'remove', group: 'a' }).error!.errno, 'EBUSY');
  t.true(isShown('a/b'));
});

test('what is shown besides groups', (t) => {
  const { control, files, change } = rig();
  change('', ['depth=32']);
  const { shown } = obeyGroupOrder(control, files, { kind: 'show-mount' });
  t.deepEqual([shown?.images, shown?.partitions], [[], []]);
  t.deepEqual(obeyGroupOrder(control, files, { kind: 'show' }).shown, {
    ...{ images: [], partitions: [] },
    mount: { depth: 32, window: 32, cost: 'linear' },
  });
});
