import test from 'ava';
import { Tree } from '../../src/tree/tree.js';

test('the root is a directory without a name or parent, with the id that FUSE gives it', (t) => {
  const { root } = new Tree();
  t.is(root.id, 1);
  t.is(root.kind, 'directory');
  t.is(root.name, '');
  t.is(root.parent, null);
  t.is(root.children.size, 0);
});

test('nodes are numbered as they come and found by number and by name', (t) => {
  const tree = new Tree();
  const disk = tree.addDisk(tree.root, 'web.raw', 3);
  const groups = tree.addDirectory(tree.root, '.groups');
  const control = tree.addControl(groups, 'io.max', {
    mode: 0o444,
    read: () => 'x\n',
    write: null,
  });
  t.deepEqual([disk.id, groups.id, control.id], [2, 3, 4]);
  t.is(tree.node(1), tree.root);
  t.is(tree.node(2), disk);
  t.is(tree.node(4), control);
  t.is(groups.children.get('io.max'), control);
  t.is(control.parent, groups);
  t.is(disk.disk, 3);
  t.is(control.file.read(), 'x\n');
});

for (const id of [0, 3, -1, 1.5, NaN]) {
  test(`there is no node ${id}`, (t) => {
    const tree = new Tree();
    tree.addDisk(tree.root, 'web.raw', 0);
    t.is(tree.node(id), undefined);
  });
}

test('two entries of one directory cannot have one name; in two directories they can', (t) => {
  const tree = new Tree();
  tree.addDisk(tree.root, 'a', 0);
  t.throws(() => tree.addDisk(tree.root, 'a', 1), { message: /two entries named a/ });
  t.throws(() => tree.addDirectory(tree.root, 'a'));
  const below = tree.addDirectory(tree.root, 'b');
  t.is(tree.addDisk(below, 'a', 1).parent, below);
});

test('names that mean something to JavaScript are names like others', (t) => {
  const tree = new Tree();
  t.is(tree.root.children.get('__proto__'), undefined);
  const disk = tree.addDisk(tree.root, '__proto__', 0);
  tree.addDisk(tree.root, 'constructor', 1);
  t.is(tree.root.children.get('__proto__'), disk);
});

test('a hundred thousand directories that come and go leave the table flat, and no id comes again', (t) => {
  const tree = new Tree();
  const kept = tree.addDirectory(tree.root, 'kept');
  let last = kept.id;
  let gone = 0;
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < 100_000; i++) {
    const made = tree.addDirectory(tree.root, 'passing');
    for (let file = 0; file < 10; file++) {
      tree.addControl(made, `file${file}`, { mode: 0o444, read: () => '', write: null });
    }
    if (made.id <= last) t.fail('an id came again');
    last = made.id;
    gone = made.id;
    tree.remove(made);
  }
  t.is(tree.node(gone), undefined);
  t.is(tree.node(kept.id), kept);
  t.true(process.memoryUsage().heapUsed - before < 64e6);
});

test('another process gives its nodes the numbers that the kernel knows, and others to its own', (t) => {
  const before = new Tree();
  before.remove(before.addDisk(before.root, 'gone.raw', 0));
  before.addDisk(before.root, 'web.raw', 0);
  before.addDirectory(before.addDirectory(before.root, '.groups'), 'web.raw');
  const state = structuredClone(before.nodeIds);
  const tree = new Tree();
  const groups = tree.addDirectory(tree.root, '.groups');
  const below = tree.addDirectory(groups, 'web.raw');
  const other = tree.addDirectory(groups, 'new');
  const disk = tree.addDisk(tree.root, 'web.raw', 0);
  t.is(tree.node(2), groups);
  tree.renumber(state);
  t.deepEqual([tree.root.id, disk.id, groups.id, below.id, other.id], [1, 3, 4, 5, 6]);
  t.is(tree.node(2), undefined);
  t.deepEqual([tree.node(3), tree.node(5), tree.node(6)], [disk, below, other]);
  t.is(tree.addDisk(tree.root, 'b.raw', 1).id, 7);
});
