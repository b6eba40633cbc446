import test from 'ava';
import { Control, type Membership } from '../../src/control/control.js';
import { Throttle } from '../../src/throttle/throttle.js';
import { ControlTree } from '../../src/tree/control-tree.js';
import { type ControlNode, type DirectoryNode, Tree } from '../../src/tree/tree.js';
import { refuse } from '../../src/util/errors.js';

/** A result that comes later. */
const LATER = -10_000;
const ENOENT = 2;
const EBUSY = 16;
const EEXIST = 17;
const EINVAL = 22;
const ERANGE = 34;
const ENAMETOOLONG = 36;

type Answered = (answer: { text: string; errno: string | null; reason: string }) => number;

function setUp() {
  const throttle = new Throttle(16);
  const notes: string[] = [];
  const members: Membership = {
    prepare: (group, changes) => () => {
      if (changes.length > 0) throttle.moveMember(0, group, 0);
    },
    list: (group) => [...group.members],
  };
  const control = new Control(throttle, members, () => 0, {
    images: () => [],
    partitions: () => [],
    callers: () => [],
  });
  throttle.createMember('web');
  const tree = new Tree();
  const reread = (request: number, name: string | null, result: number): number => {
    if (name === 'none') throw refuse('none: there is no such image', 'ENOENT');
    notes.push(`reread ${request} ${name} ${result}`);
    return LATER;
  };
  const orders = {
    isOpen: true,
    take: (request: number, text: string, answered: Answered): number => {
      notes.push(`order ${request} ${text}`);
      given.answered = answered;
      return LATER;
    },
  };
  const given: { answered?: Answered } = {};
  new ControlTree(tree, control, 'pid 42\n', { reread, orders }, (text) => notes.push(text));
  const find = (path: string) =>
    path
      .split('/')
      .reduce<ControlNode | DirectoryNode>(
        (node, name) => (node as DirectoryNode).children.get(name) as ControlNode,
        tree.root,
      );
  const directory = (path: string) => find(path) as DirectoryNode;
  const read = (path: string) => (find(path) as ControlNode).file.read();
  const write = (path: string, text: string) =>
    (find(path) as ControlNode).file.write?.(new TextEncoder().encode(text), 7);
  const mkdir = (path: string, name: string) => directory(path).changes!.makeDirectory(name);
  const rmdir = (path: string, name: string) => directory(path).changes!.removeDirectory(name);
  return { notes, directory, read, write, mkdir, rmdir };
}

const GROUP_FILES = [
  ['io.max', 'rbps=max wbps=max bps=max riops=max wiops=max iops=max iops_size=max\n'],
  ['io.per_gb', 'rbps=max wbps=max bps=max riops=max wiops=max iops=max\n'],
  ['io.burst', 'rbps=max wbps=max bps=max riops=max wiops=max iops=max\n'],
  ['io.weight', 'default 100\n'],
  ['io.min', 'bps=0 iops=0\n'],
  ['io.latency', 'target=max\n'],
  [
    'io.stat',
    'total rbytes=0 wbytes=0 rios=0 wios=0 dbytes=0 dios=0 wait_usec=0 waits=0 queued=0 inflight=0\n',
  ],
  ['io.times', ''],
  [
    'io.pressure',
    'some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n' +
      'full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n',
  ],
  ['members', ''],
] as const;

test('a new group has its files, which say that nothing is set', (t) => {
  const { directory, read, mkdir } = setUp();
  t.true(mkdir('.groups', 'gold') > 0);
  const names = [...directory('.groups/gold').children.keys()];
  t.deepEqual(
    names,
    GROUP_FILES.map(([name]) => name),
  );
  for (const [name, text] of GROUP_FILES) t.is(read(`.groups/gold/${name}`), text);
});

test('only the root group has io.depth, io.cost, daemon, io.callers, images, partitions and refused', (t) => {
  const { directory, read } = setUp();
  const names = [...directory('.groups').children.keys()];
  const common = GROUP_FILES.map(([name]) => name);
  const own = ['io.depth', 'io.cost', 'daemon', 'io.callers', 'images', 'partitions', 'refused'];
  t.deepEqual(names, [...common, ...own]);
  t.is(read('.groups/io.cost'), 'linear\n');
  t.regex(read('.groups/io.depth'), /^auto [0-9]+\n$/);
  t.is(read('.groups/daemon'), 'pid 42\n');
  t.is(read('.groups/members'), 'web\n');
});

for (const [file, text, says] of [
  [
    'io.max',
    'rbps=10M wiops=max',
    'rbps=10485760 wbps=max bps=max riops=max wiops=max iops=max iops_size=max\n',
  ],
  ['io.weight', '80', 'default 80\n'],
  ['io.weight', 'default 80\n', 'default 80\n'],
  ['io.min', 'iops=500', 'bps=0 iops=500\n'],
  ['io.latency', 'target=2000', 'target=2000\n'],
] as const) {
  test(`${JSON.stringify(text)} written to ${file} is read back as ${JSON.stringify(says)}`, (t) => {
    const { read, write, mkdir } = setUp();
    mkdir('.groups', 'gold');
    t.is(write(`.groups/gold/${file}`, text), 0);
    t.is(read(`.groups/gold/${file}`), says);
  });
}

test('a burst is written after its limit', (t) => {
  const { read, write, mkdir } = setUp();
  mkdir('.groups', 'gold');
  t.is(write('.groups/gold/io.burst', 'bps=400M/10'), -EINVAL);
  write('.groups/gold/io.max', 'bps=100M');
  t.is(write('.groups/gold/io.burst', 'bps=400M/10'), 0);
  const says = 'rbps=max wbps=max bps=419430400/10 riops=max wiops=max iops=max\n';
  t.is(read('.groups/gold/io.burst'), says);
});

test('the window and the cost model of the root group', (t) => {
  const { read, write } = setUp();
  t.is(write('.groups/io.depth', '32'), 0);
  t.is(read('.groups/io.depth'), '32\n');
  t.is(write('.groups/io.depth', 'auto'), 0);
  t.regex(read('.groups/io.depth'), /^auto [0-9]+\n$/);
  t.is(write('.groups/io.cost', 'bytes'), 0);
  t.is(read('.groups/io.cost'), 'bytes\n');
});

const BAD: [string, string, number][] = [
  ['io.max', 'rbps=-1', EINVAL],
  ['io.max', 'rbps=0', EINVAL],
  ['io.max', 'rbps=99999999999999999999', ERANGE],
  ['io.max', 'speed=1', EINVAL],
  ['io.max', 'rbps=5M wbp', EINVAL],
  ['io.max', 'rbps=1M\0', EINVAL],
  ['io.max', '\n', EINVAL],
  ['io.max', `rbps=1M${' '.repeat(1 << 20)}`, EINVAL],
  ['io.weight', '-5', EINVAL],
  ['io.weight', '0', ERANGE],
  ['io.weight', '10001', ERANGE],
  ['io.weight', 'default', EINVAL],
  ['io.burst', 'bps=1M/0', EINVAL],
  ['io.burst', 'bps=-1M/5', EINVAL],
  ['io.burst', 'bps=1M/99999999', ERANGE],
  ['io.burst', 'bps=1M/', EINVAL],
  ['members', 'uid:-1', EINVAL],
  ['members', 'uid:99999999999', ERANGE],
  ['members', 'cgroup:x', EINVAL],
  ['members', 'x'.repeat(1 << 20), EINVAL],
];

for (const [file, text, errno] of BAD) {
  const shown = text.length > 40 ? `${text.slice(0, 8)}... of 1 MiB` : JSON.stringify(text);
  test(`${shown} in ${file} is errno ${errno}, changes nothing and is logged`, (t) => {
    const { notes, read, write, mkdir } = setUp();
    mkdir('.groups', 'gold');
    write('.groups/gold/io.max', 'bps=7');
    const before = read(`.groups/gold/${file}`);
    t.is(write(`.groups/gold/${file}`, text), -errno);
    t.is(read(`.groups/gold/${file}`), before);
    t.is(notes.length, 1);
    t.regex(notes[0]!, new RegExp(`^refused \\(E[A-Z]+\\): gold/${file}: [^\\n\\0]{5,340}$`));
  });
}

test('why a change was refused stands in `refused` until the next one', (t) => {
  const { read, write } = setUp();
  t.is(read('.groups/refused'), '');
  write('.groups/io.weight', '0');
  t.is(read('.groups/refused'), 'io.weight: "0": not from 1 to 10000\n');
});

test('any text written to `refused` empties it', (t) => {
  const { read, write, notes } = setUp();
  write('.groups/io.weight', '0');
  write('.groups/refused', '\n');
  t.is(read('.groups/refused'), '');
  t.is(notes.length, 1, 'and is no change');
});

test('names that could not be shown beside the control files are no groups', (t) => {
  const { mkdir } = setUp();
  for (const name of ['io.max', 'io.new', 'members', 'daemon', 'refused', '.hidden', 'a=b', '']) {
    t.is(mkdir('.groups', name), -EINVAL, name);
  }
  t.is(mkdir('.groups', 'a\nb'), -EINVAL);
  t.is(mkdir('.groups', 'bad \uFFFD name'), -EINVAL);
  t.is(mkdir('.groups', 'x'.repeat(256)), -ENAMETOOLONG);
  t.true(mkdir('.groups', 'x'.repeat(255)) > 0);
});

test('a group is made once, below one without members, and goes when it is empty', (t) => {
  const { directory, write, mkdir, rmdir } = setUp();
  mkdir('.groups', 'gold');
  t.is(mkdir('.groups', 'gold'), -EEXIST);
  t.true(mkdir('.groups/gold', 'sub') > 0);
  t.is(rmdir('.groups', 'gold'), -EBUSY);
  t.is(rmdir('.groups/gold', 'sub'), 0);
  t.is(rmdir('.groups/gold', 'sub'), -ENOENT);
  write('.groups/gold/members', 'web');
  t.is(mkdir('.groups/gold', 'sub'), -EBUSY);
  t.is(rmdir('.groups', 'gold'), -EBUSY);
  write('.groups/members', 'web');
  t.is(rmdir('.groups', 'gold'), 0);
  t.false(directory('.groups').children.has('gold'));
});

test('a name in `partitions` has the table of that image read again, and the answer comes then', (t) => {
  const { write, read, notes } = setUp();
  t.is(write('.groups/partitions', 'web\n'), LATER);
  t.is(write('.groups/partitions', '\n'), LATER);
  t.deepEqual(notes, ['reread 7 web 4', 'reread 7 null 1']);
  t.is(write('.groups/partitions', 'none\n'), -ENOENT);
  t.is(read('.groups/refused'), 'partitions: none: there is no such image\n');
});
