import test from 'ava';
import { parseConfig } from '../../src/cli/config-file.js';
import { buildMountConfig } from '../../src/cli/mount-config.js';
import type { MountArguments } from '../../src/cli/mount-options.js';
import { SluiceError } from '../../src/util/errors.js';

const FILE = `
mountpoint: /mnt/s
images:
  web: web.img
  db: {path: db.img, read-only: true, untrusted: false}
groups:
  gold: {bps: 10M, weight: 80, members: [web, uid:1000]}
  silver: {}
options: {depth: 16, allow-other: true, o: [noatime]}
`;

function merge(args: Partial<MountArguments>, text = FILE) {
  const said: string[] = [];
  const file = parseConfig('/etc/vm.yaml', text);
  const config = buildMountConfig({ paths: [], ...args }, '/home', file, (one) => said.push(one));
  return { config, said };
}

test('a file alone is the whole mount', (t) => {
  const { config, said } = merge({});
  t.deepEqual(said, []);
  t.is(config.mountpoint, '/mnt/s');
  t.deepEqual(
    config.images.map(({ name, path, own, named }) => [name, path, own, named?.untrusted]),
    [
      ['web', '/etc/web.img', undefined, false],
      ['db', '/etc/db.img', { readOnly: true }, false],
    ],
  );
  t.is(config.depth, 16);
  t.true(config.allowOther);
  t.deepEqual(config.mountOptions, ['noatime']);
  t.deepEqual(config.assignments, [
    { member: 'web', group: 'gold' },
    { member: 'uid:1000', group: 'gold' },
  ]);
  t.is(config.source?.file, '/etc/vm.yaml');
});

test('the command line adds', (t) => {
  const { config, said } = merge({
    paths: ['log.img', '/mnt/s'],
    group: ['gold:iops=5', 'new'],
    assign: ['log=new'],
    o: ['nosuid'],
    growable: true,
  });
  t.deepEqual(said, []);
  t.deepEqual(
    config.images.map(({ name }) => name),
    ['web', 'db', 'log'],
  );
  t.deepEqual(config.groups, [
    { path: 'gold', changes: { limits: { bps: 10485760, iops: 5 }, weight: 80 } },
    { path: 'silver', changes: {} },
    { path: 'new', changes: {} },
  ]);
  t.deepEqual(config.mountOptions, ['noatime', 'nosuid']);
  t.true(config.growable);
});

test('where both say something the command line wins, and says so', (t) => {
  const { config, said } = merge({
    paths: ['web=/srv/other.img', '/mnt/t'],
    depth: '32',
    'allow-other': false,
    'read-only': false,
    untrusted: true,
    group: ['gold:bps=3M'],
    assign: ['web=silver'],
  });
  t.deepEqual(said, [
    '--depth 32 wins over depth: 16 in /etc/vm.yaml',
    '--no-allow-other wins over allow-other: true in /etc/vm.yaml',
    'web=/srv/other.img wins over /etc/web.img in /etc/vm.yaml',
    '--read-only wins over what /etc/vm.yaml has for db',
    '--group gold: bps=3145728 wins over 10485760 in /etc/vm.yaml',
    '--assign web=silver wins over gold in /etc/vm.yaml',
    'the mount point /mnt/t wins over /mnt/s in /etc/vm.yaml',
  ]);
  t.deepEqual(
    config.images.map(({ name, path, own, named }) => [name, path, own, named?.untrusted]),
    [
      ['db', '/etc/db.img', undefined, true],
      ['web', '/srv/other.img', undefined, true],
    ],
  );
  t.is(config.depth, 32);
  t.false(config.allowOther);
  t.is(config.groups[0]?.changes.limits?.bps, 3145728);
  t.deepEqual(config.assignments, [
    { member: 'uid:1000', group: 'gold' },
    { member: 'web', group: 'silver' },
  ]);
});

test('--depth wins over the depth of the root group, and a --group / over both', (t) => {
  const text = 'mountpoint: /m\ngroups: {/: {depth: 16, bps: 1M}}';
  const deep = merge({ depth: '32' }, text);
  t.deepEqual(deep.config.groups[0]?.changes, { depth: 32, limits: { bps: 1048576 } });
  t.deepEqual(deep.said, ['--group /: depth=32 wins over 16 in /etc/vm.yaml']);
  const root = merge({ group: ['/:depth=64'] }, text);
  t.is(root.config.groups[0]?.changes.depth, 64);
});

for (const [args, text, message] of [
  [{}, 'images: {a: x}', /^name the mount point, last on the command line, or as mountpoint: in /],
  [{ format: 'raw' }, FILE, /^--format is about an image; give it to the image in the file$/],
  [{ empty: true }, FILE, /^--empty: there is an image, \/etc\/web.img; leave one out$/],
] as const) {
  test(`refused: ${JSON.stringify(args)}`, (t) => {
    const error = t.throws(() => merge(args, text), { instanceOf: SluiceError, message });
    t.is(error?.exitCode, 2);
  });
}

test('an image of the file is passed through by its own word or by that of the command line', (t) => {
  const text = 'images: {a: {path: x, passthrough: true}, b: y}\nmountpoint: /m';
  t.deepEqual(merge({}, text).config.passthrough, ['a']);
  t.deepEqual(merge({ passthrough: ['b'] }, text).config.passthrough, ['a', 'b']);
});

test('a group of the file is shared where the command line says so', (t) => {
  const { config } = merge({ group: ['gold:bps=20M,shared=valkey://h/gold,safe=10%'] });
  const gold = config.groups.find(({ path }) => path === 'gold');
  t.like(gold, { changes: { weight: 80 }, shared: { safePart: 0.1 } });
});

test('--depth wins over the root group of the file, also beside --group /', (t) => {
  const text = 'mountpoint: /mnt/s\nimages: {a: a.img}\ngroups: {/: {depth: 8}}\n';
  const depthOf = (args: Partial<MountArguments>) => merge(args, text).config.groups[0]?.changes;
  t.is(depthOf({ depth: '32' })?.depth, 32);
  t.like(depthOf({ depth: '32', group: ['/:iops=5'] }), { depth: 32, limits: { iops: 5 } });
  t.is(depthOf({ depth: '32', group: ['/:depth=4'] })?.depth, 4);
  t.is(depthOf({ group: ['/:iops=5'] })?.depth, 8);
});
