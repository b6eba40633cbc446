import test, { type ExecutionContext } from 'ava';
import type { GroupStep } from '../../src/control/plan-groups.js';
import type { ImageConfig, MountConfig } from '../../src/server/config.js';
import type { ImageOrder } from '../../src/server/image-order.js';
import { Reload } from '../../src/server/reload.js';
import { refuse, SluiceError } from '../../src/util/errors.js';
import { mountConfig } from '../helpers/mount-config.js';

const SILENT = { info: () => {}, warn: () => {}, error: () => {} };
const FILE = '/etc/vm.yaml';

function image(name: string, path = `/${name}.img`, more: Partial<ImageConfig> = {}): ImageConfig {
  const named = { dataFiles: [], backingFiles: [], untrusted: false };
  return { name, path, format: 'auto', backingFormats: [], snapshot: null, named, ...more };
}

function config(images: ImageConfig[], own: Partial<MountConfig> = {}): MountConfig {
  const source = { file: FILE, words: {}, directory: '/', images };
  return mountConfig({ images, source, ...own });
}

/** A mount that has been made of `first`; `next` is what its file says when it is read again. */
function rig(first: MountConfig, next: MountConfig) {
  const done: string[] = [];
  const disks = first.images.map(({ name, path, overlay }) => ({ name, path: overlay ?? path }));
  const file = { next };
  /** Names of images, or `groups`, that are refused. */
  const refused = new Set<string>();
  const attempt = (what: string, name: string): void => {
    if (refused.has(name)) throw refuse(`${name}: no`, 'EBUSY');
    done.push(what);
  };
  const obey = async (order: ImageOrder): Promise<void> => {
    if (order.kind === 'attach') {
      const { name, path } = order.image;
      attempt(`attach ${name} ${path}`, name);
      disks.push({ name, path: order.overlay ?? path });
    } else if (order.kind === 'detach') {
      attempt(`detach ${order.name}`, order.name);
      const index = disks.findIndex(({ name }) => name === order.name);
      disks.splice(index, 1);
    }
  };
  /** Names of images whose files have lost their names. */
  const moved = new Set<string>();
  const checkInPlace = (name: string): void => {
    if (moved.has(name)) throw refuse(`${name}: was deleted`, 'ESTALE');
  };
  const reload = new Reload({
    config: first,
    images: { disks: disks as never, checkInPlace },
    log: SILENT,
    read: async () => file.next,
    reform: async (steps: readonly GroupStep[]) => {
      attempt(`groups ${steps.map(({ kind }) => kind).join(' ')}`.trim(), 'groups');
    },
  });
  const run = () => reload.run({ obey }, () => {});
  return { run, done, refused, moved, file, disks };
}

async function fails(t: ExecutionContext, run: () => Promise<void>): Promise<SluiceError> {
  return (await t.throwsAsync(run, { instanceOf: SluiceError }))!;
}

test('images come before groups change, and go after it; what is the same is not touched', async (t) => {
  const same = image('same');
  const { run, done } = rig(
    config([same, image('old')]),
    config([same, image('new')], { groups: [{ path: 'gold', changes: { weight: 7 } }] }),
  );
  await run();
  t.deepEqual(done, ['attach new /new.img', 'groups make set', 'detach old']);
  done.length = 0;
  await run();
  t.deepEqual(done, ['groups']);
});

test('an image goes first where another one needs its name or its file', async (t) => {
  const { run, done } = rig(
    config([image('web', '/one.img'), image('db', '/two.img')]),
    config([image('web', '/other.img'), image('moved', '/two.img')]),
  );
  await run();
  t.deepEqual(done, [
    'detach web',
    'detach db',
    'attach web /other.img',
    'attach moved /two.img',
    'groups',
  ]);
});

test('an image with other options is another image', async (t) => {
  const { run, done } = rig(
    config([image('web')]),
    config([image('web', '/web.img', { own: { readOnly: true } })]),
  );
  await run();
  t.deepEqual(done, ['detach web', 'attach web /web.img', 'groups']);
});

test('an image that could not be taken back does not go', async (t) => {
  const before = config([image('a'), image('b')]);
  const after = config([image('a', '/a.img', { own: { readOnly: true } }), image('c')]);
  const { run, done, moved } = rig(before, after);
  moved.add('a');
  t.is((await fails(t, run)).message, 'a: was deleted');
  t.deepEqual(done, []);
  // One that is to go and stay away may.
  moved.clear();
  moved.add('b');
  await run();
  t.true(done.includes('detach b'));
});

test('what somebody has attached or detached by hand is no fault', async (t) => {
  const { run, done, disks } = rig(
    config([image('a'), image('b')]),
    config([image('a'), image('c'), image('d', '/d.img', { overlay: '/over' })]),
  );
  disks.splice(1, 1);
  disks.push({ name: 'c', path: '/c.img' }, { name: 'd', path: '/over' });
  await run();
  t.deepEqual(done, ['groups']);
});

for (const [what, undone] of [
  ['new', ['detach web', 'attach web /web.img']],
  [
    'groups',
    [
      'detach web',
      'attach web /x',
      'attach new /new.img',
      'detach new',
      'detach web',
      'attach web /web.img',
    ],
  ],
] as const) {
  test(`${what} is refused: everything is taken back`, async (t) => {
    const { run, done, refused, disks } = rig(
      config([image('web'), image('old')]),
      config(what === 'new' ? [image('new', '/web.img')] : [image('web', '/x'), image('new')]),
    );
    refused.add(what);
    t.is((await fails(t, run)).message, `${what}: no`);
    t.deepEqual(done, undone);
    t.deepEqual(disks.map(({ path }) => path).sort(), ['/old.img', '/web.img']);
  });
}

test('an image that is in use stays, which is told, and goes with the next reload', async (t) => {
  const { run, done, refused } = rig(config([image('a'), image('b')]), config([image('b')]));
  refused.add('a');
  const error = await fails(t, run);
  t.is(error.message, 'a: no; all else of /etc/vm.yaml is as it says');
  t.is(error.errno, 'EBUSY');
  refused.delete('a');
  done.length = 0;
  await run();
  t.deepEqual(done, ['groups', 'detach a']);
});

for (const [own, names] of [
  [{ cache: 'page' }, 'cache'],
  [{ readOnly: true, transport: 'fuse-native' }, 'read-only, transport'],
  [{ mode: 0o600, metrics: { host: '::1', port: 1 } }, 'mode, metrics'],
] as const) {
  test(`refused by name: ${names}`, async (t) => {
    const { run, done } = rig(config([image('a')]), config([image('b')], own));
    const error = await fails(t, run);
    const what = `${names}: cannot change while the files are mounted`;
    t.is(error.message, `${FILE}: ${what}; leave it as it was, or umount and mount again`);
    t.is(error.exitCode, 2);
    t.deepEqual(done, []);
  });
}

test('a mount without a file is refused', async (t) => {
  const none = rig(mountConfig({}), config([]));
  t.regex((await fails(t, none.run)).message, /^the mount was made without --config/);
});

test('names of users are numbers, which members have', async (t) => {
  const assigned = (member: string) => config([], { assignments: [{ member, group: '' }] });
  const { run, done } = rig(assigned('uid:root'), assigned('uid:0'));
  await run();
  t.deepEqual(done, ['groups']);
});
