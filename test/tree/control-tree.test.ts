import test from 'ava';
import { DISCARD, READ, Throttle, WRITE } from '../../src/throttle/throttle.js';
import { addControlTree } from '../../src/tree/control-tree.js';
import { Tree, type TreeNode } from '../../src/tree/tree.js';

/** Two groups, one below the other, three members; `web` and `db` have done something. */
function sample(): { tree: Tree; throttle: Throttle } {
  const throttle = new Throttle(16);
  const slow = throttle.createGroup('slow');
  const inner = throttle.createGroup('slow/inner');
  throttle.setLimits(slow, { iops: 1000, rbps: 10 * 1024 * 1024, iopsSize: 4096 }, 0);
  const web = throttle.createMember('web');
  const db = throttle.createMember('db');
  throttle.createMember('idle');
  throttle.moveMember(web, inner, 0);
  throttle.moveMember(db, inner, 0);
  throttle.submit(0, web, READ, 4096, 0);
  throttle.complete(0);
  throttle.submit(1, db, WRITE, 512, 10e9);
  throttle.submit(2, db, DISCARD, 8192, 20e9);
  const tree = new Tree();
  tree.addDisk(tree.root, 'web.raw', 0);
  addControlTree(tree, throttle, 'pid 4242\nversion 0.1.0\ntransport uring\n');
  return { tree, throttle };
}

const TOTAL =
  'total rbytes=4096 wbytes=512 rios=1 wios=1 dbytes=8192 dios=1 ' +
  'wait_usec=0 queued=0 inflight=2\n';

function find(tree: Tree, path: string): TreeNode {
  let node: TreeNode = tree.root;
  for (const name of path.split('/')) {
    const child: TreeNode | undefined =
      node.kind === 'directory' ? node.children.get(name) : undefined;
    if (child === undefined) throw new Error(`no ${path}`);
    node = child;
  }
  return node;
}

function text(tree: Tree, path: string): string {
  const node = find(tree, path);
  if (node.kind !== 'control') throw new Error(`${path} is no control file`);
  return node.file.read();
}

function names(tree: Tree, path: string): string[] {
  const node = find(tree, path);
  return node.kind === 'directory' ? [...node.children.keys()].sort() : [];
}

test('each group is a directory with its files and the groups below it', (t) => {
  const { tree } = sample();
  t.deepEqual(names(tree, '.groups'), ['daemon', 'io.max', 'io.stat', 'members', 'slow']);
  t.deepEqual(names(tree, '.groups/slow'), ['inner', 'io.max', 'io.stat', 'members']);
  t.deepEqual(names(tree, '.groups/slow/inner'), ['io.max', 'io.stat', 'members']);
});

test('every control file can be read by all and written by none', (t) => {
  const { tree } = sample();
  for (const path of [
    '.groups/daemon',
    '.groups/io.max',
    '.groups/slow/io.stat',
    '.groups/slow/members',
  ]) {
    const node = find(tree, path);
    t.is(node.kind === 'control' ? node.file.mode : 0, 0o444);
  }
});

test('io.max of a group without limits says max seven times, in the fixed order', (t) => {
  t.is(
    text(sample().tree, '.groups/io.max'),
    'rbps=max wbps=max bps=max riops=max wiops=max iops=max iops_size=max\n',
  );
});

test('io.max gives limits as plain numbers per second', (t) => {
  t.is(
    text(sample().tree, '.groups/slow/io.max'),
    'rbps=10485760 wbps=max bps=max riops=max wiops=max iops=1000 iops_size=4096\n',
  );
});

test('io.stat has a line for each member of the group and their total', (t) => {
  t.is(
    text(sample().tree, '.groups/slow/inner/io.stat'),
    'web rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0 wait_usec=0 queued=0 inflight=0\n' +
      'db rbytes=0 wbytes=512 rios=0 wios=1 dbytes=8192 dios=1 wait_usec=0 queued=0 inflight=2\n' +
      TOTAL,
  );
});

test('io.stat of a group without members of its own has the total of those below', (t) => {
  t.is(text(sample().tree, '.groups/slow/io.stat'), TOTAL);
});

test('io.stat counts who waits, and for how long once it has waited', (t) => {
  const { tree, throttle } = sample();
  const slow = throttle.findGroup('slow')!;
  throttle.setLimits(slow, { iops: 1, rbps: Infinity, iopsSize: 0 }, 30e9);
  throttle.submit(3, 0, READ, 512, 40e9);
  throttle.submit(4, 0, READ, 512, 40e9);
  const line = () => text(tree, '.groups/slow/inner/io.stat').split('\n')[0];
  const bytes = 'wbytes=0 rios=1 wios=0 dbytes=0 dios=0';
  t.is(line(), `web rbytes=4096 ${bytes} wait_usec=0 queued=2 inflight=0`);
  // A request costs a second and may be 10 ms early.
  t.is(throttle.next(40.99e9), 3);
  t.is(
    line(),
    'web rbytes=4608 wbytes=0 rios=2 wios=0 dbytes=0 dios=0 wait_usec=990000 queued=1 inflight=1',
  );
});

test('members are one a line, in the group that they are charged to; none is no line', (t) => {
  const { tree, throttle } = sample();
  t.is(text(tree, '.groups/slow/inner/members'), 'web\ndb\n');
  t.is(text(tree, '.groups/members'), 'idle\n');
  t.is(text(tree, '.groups/slow/members'), '');
  throttle.moveMember(0, throttle.root, 50e9);
  t.is(text(tree, '.groups/members'), 'idle\nweb\n');
});

test('files say what is so when they are read', (t) => {
  const { tree, throttle } = sample();
  throttle.setLimits(throttle.root, { wbps: 1024 }, 60e9);
  t.regex(text(tree, '.groups/io.max'), / wbps=1024 /);
});

test('daemon says what it is told, word for word', (t) => {
  t.is(text(sample().tree, '.groups/daemon'), 'pid 4242\nversion 0.1.0\ntransport uring\n');
});
