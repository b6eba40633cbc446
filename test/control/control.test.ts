import test, { type ExecutionContext } from 'ava';
import { Control, type Membership } from '../../src/control/control.js';
import { parseMembers } from '../../src/control/members.js';
import type { Changes } from '../../src/control/settings.js';
import { formatWords, readSettings } from '../../src/control/text.js';
import { NO_BURSTS } from '../../src/throttle/bursts.js';
import { NO_LIMITS } from '../../src/throttle/limits.js';
import { READ, Throttle } from '../../src/throttle/throttle.js';
import { refuse, SluiceError } from '../../src/util/errors.js';

/** A mount of the images `web` and `my disk`, with the group `gold`. */
function setUp() {
  const throttle = new Throttle(16);
  const members: Membership = {
    prepare(group, changes) {
      for (const { member } of changes) {
        if (member.kind !== 'image') throw refuse('no such member', 'ENOENT');
      }
      return () => {
        for (const [index] of changes.entries()) throttle.moveMember(index, group, 0);
      };
    },
    list: (group) => [...group.members],
  };
  for (const name of ['web', 'my disk']) throttle.createMember(name);
  const state = { readOnly: false, passthrough: false, faults: null };
  const image = { name: 'web', path: '/srv/web.img', format: 'raw', size: 4096, ...state };
  const control = new Control(throttle, members, () => 0, {
    images: () => [image],
    partitions: () => [],
    callers: () => [],
  });
  control.makeGroup('gold');
  return { throttle, control, image };
}

const ALL: Changes = {
  limits: { bps: 1000 },
  bursts: { bps: { rate: 2000, seconds: 5 } },
  weight: 80,
  minimum: { iops: 5 },
  latencyTarget: 2_000_000,
  members: parseMembers('web'),
};

test('all of a change is made, and what it does not name stays', (t) => {
  const { control } = setUp();
  control.apply('gold', { limits: { iops: 7 }, minimum: { bps: 9 } });
  control.apply('gold', ALL);
  t.deepEqual(control.settings('gold'), {
    limits: { ...NO_LIMITS, iops: 7, bps: 1000 },
    perGb: NO_BURSTS,
    bursts: { ...NO_BURSTS, bps: { rate: 2000, seconds: 5 } },
    weight: 80,
    minimum: { bps: 9, iops: 5 },
    latencyTarget: 2_000_000,
  });
  t.deepEqual(control.members('gold'), ['web']);
  control.apply('', { depth: 32, cost: 'bytes' });
  t.deepEqual(control.mountSettings(), { depth: 32, window: 32, cost: 'bytes' });
});

function refused(t: ExecutionContext, control: Control, changes: Changes, errno: string): void {
  const before = control.snapshot();
  const error = t.throws(() => control.apply('gold', changes), { instanceOf: SluiceError });
  t.is(error?.errno, errno, JSON.stringify(changes));
  t.deepEqual(control.snapshot(), before, JSON.stringify(changes));
}

test('a new group has the first value of each setting', (t) => {
  const { control } = setUp();
  t.deepEqual(control.settings('gold'), readSettings({}));
  t.deepEqual(formatWords({ ...control.settings('gold'), ...control.mountSettings() }), []);
});

test('one bad value refuses all of a change', (t) => {
  const { control } = setUp();
  const cases: [Changes, string][] = [
    [{ limits: { bps: 0 } }, 'EINVAL'],
    [{ limits: { bps: 1e16 } }, 'ERANGE'],
    [{ bursts: { iops: { rate: 5, seconds: 1 } } }, 'EINVAL'],
    [{ bursts: { bps: { rate: 999, seconds: 1 } } }, 'EINVAL'],
    [{ bursts: { bps: { rate: 2000, seconds: 3601 } } }, 'ERANGE'],
    [{ weight: 0 }, 'ERANGE'],
    [{ weight: 1.5 }, 'EINVAL'],
    [{ minimum: { bps: -1 } }, 'EINVAL'],
    [{ latencyTarget: 0 }, 'EINVAL'],
    [{ members: parseMembers('uid:1') }, 'ENOENT'],
    [{ depth: 32 }, 'EINVAL'],
    [{ cost: 'ios' }, 'EINVAL'],
  ];
  for (const [changes, errno] of cases) refused(t, control, { ...ALL, ...changes }, errno);
  control.apply('gold', ALL);
  for (const [changes, errno] of cases) {
    refused(t, control, { weight: 1, latencyTarget: 5000, ...changes }, errno);
  }
  for (const depth of [0, 4097]) {
    const error = t.throws(() => control.apply('', { cost: 'ios', depth }));
    t.is((error as SluiceError).errno, 'ERANGE');
    t.is(control.mountSettings().cost, 'linear');
  }
});

test('a limit that grows follows the size of images, and what is set stays what is shown', (t) => {
  const { control, throttle, image } = setUp();
  const gold = throttle.findGroup('gold')!;
  const burst = { rate: 2_000_000, seconds: 5 };
  const perGb = { bps: { rate: 1 << 30, minimum: 5 } };
  control.apply('gold', { perGb, bursts: { bps: burst }, members: parseMembers('web') });
  t.is(gold.limits.bps, 4096);
  t.deepEqual(control.sized('gold'), { bytes: 4096, limits: { bps: 4096 } });
  t.is(control.sized(''), null);
  image.size = 8192;
  control.followSizes(true);
  t.is(gold.limits.bps, 8192);
  control.apply('gold', { limits: { bps: 7000 } });
  t.is(gold.limits.bps, 7000);
  const { limits, bursts } = control.settings('gold');
  t.deepEqual([limits.bps, bursts.bps], [7000, burst]);
  control.apply('', { members: parseMembers('web') });
  t.is(gold.limits.bps, 5);
  // What a reload that fails takes back.
  const before = control.settings('gold');
  control.apply('gold', { perGb: { bps: null }, limits: { bps: Infinity }, bursts: { bps: null } });
  t.is(gold.limits.bps, Infinity);
  control.apply('gold', before);
  t.deepEqual(control.settings('gold'), before);
  t.is(gold.limits.bps, 5);
  t.deepEqual(throttle.warnings, []);
});

test('hosts cannot share a limit that grows', (t) => {
  const { control } = setUp();
  control.share('gold', 0.5);
  const changes = { perGb: { bps: { rate: 5, minimum: 0 } } };
  refused(t, control, changes, 'EINVAL');
  t.throws(() => control.apply('gold', changes), { message: /^per_gb: hosts share the limits/ });
  control.apply('gold', { perGb: { bps: null } });
});

test('a group that is not there is told', (t) => {
  const { control } = setUp();
  for (const act of [
    () => control.apply('silver', {}),
    () => control.settings('gold/silver'),
    () => control.removeGroup('silver'),
  ]) {
    t.is(t.throws(act, { instanceOf: SluiceError })?.errno, 'ENOENT');
  }
  t.is(t.throws(() => control.makeGroup('io.x'), { instanceOf: SluiceError })?.errno, 'EINVAL');
  t.is(t.throws(() => control.makeGroup('gold'), { instanceOf: SluiceError })?.errno, 'EEXIST');
  control.removeGroup('gold');
  t.deepEqual(control.groupsBelow(''), []);
});

test('a snapshot is plain data with all groups, and stays as it was', (t) => {
  const { throttle, control, image } = setUp();
  control.makeGroup('gold/sub');
  t.true(throttle.submit(0, 1, READ, 4096, 0));
  const snapshot = control.snapshot();
  t.deepEqual(structuredClone(snapshot), snapshot);
  const copy = structuredClone(snapshot);
  control.apply('gold', { ...ALL, members: [] });
  t.deepEqual(snapshot, copy);
  t.deepEqual(snapshot.images, [image]);
  t.deepEqual(
    snapshot.groups.map(({ path }) => path),
    ['', 'gold', 'gold/sub'],
  );
  const [root, gold] = snapshot.groups;
  t.deepEqual(
    root!.members.map(({ name, figures }) => [name, figures.rbytes]),
    [
      ['web', 0],
      ['my disk', 4096],
    ],
  );
  t.like(root!.total, { rbytes: 4096, rios: 1, inflight: 1 });
  t.like(root!.mount, { depth: 'auto', cost: 'linear' });
  t.false('mount' in gold!);
  t.is(gold!.pressure.some.totalUs, 0);
});

test('the root group promises nothing that an image which is passed through would not keep', (t) => {
  const { control, image } = setUp();
  image.passthrough = true;
  const promises: Changes[] = [
    { limits: { bps: 1000 } },
    { limits: { wiops: 1 } },
    { bursts: { bps: { rate: 2000, seconds: 5 } }, limits: { bps: 1000 } },
    { minimum: { iops: 5 } },
    { latencyTarget: 2_000_000 },
  ];
  for (const changes of promises) {
    const error = t.throws(() => control.apply('', changes), { instanceOf: SluiceError });
    t.is(error?.errno, 'EBUSY', JSON.stringify(changes));
    t.true(error?.message.includes('web, which is passed through'));
    t.notThrows(() => control.apply('gold', changes));
  }
  const harmless = { limits: NO_LIMITS, bursts: NO_BURSTS, minimum: { bps: 0 }, weight: 50 };
  t.notThrows(() => control.apply('', { ...harmless, latencyTarget: Infinity, depth: 8 }));
});

test('of a limit that hosts share this host has a part, and what is set stays', (t) => {
  const { throttle, control } = setUp();
  control.share('gold', 0.1);
  control.apply('gold', { limits: { iops: 1000, bps: 5000 } });
  const held = () => throttle.findGroup('gold')!.limits;
  t.like(held(), { iops: 100, bps: 500, rbps: Infinity });
  t.true(control.grant('gold', { iops: 600, bps: 5000 }));
  t.like(held(), { iops: 600, bps: 5000 });
  // A smaller limit counts at once, and a grant above it for no more.
  control.apply('gold', { limits: { iops: 400 } });
  t.like(held(), { iops: 400, bps: 5000 });
  // One that is new begins with the first part.
  control.apply('gold', { limits: { wiops: 50 } });
  t.like(held(), { iops: 400, wiops: 5 });
  t.like(control.settings('gold').limits, { iops: 400, bps: 5000, wiops: 50 });
  t.like(control.sharing('gold'), { state: 'starting', peers: 0 });
  t.is(control.sharing(''), null);
  t.like(control.snapshot().groups[1], { path: 'gold', shared: { state: 'starting' } });
  const bursts = { iops: { rate: 900, seconds: 2 } };
  t.throws(() => control.apply('gold', { bursts }), {
    message: /each of them would have the burst/,
  });
});

test('a group that is made again in the place of a shared one is not shared', (t) => {
  const { control } = setUp();
  control.share('gold', 0.1);
  control.removeGroup('gold');
  control.makeGroup('gold');
  t.false(control.grant('gold', { iops: 5 }));
  t.is(control.sharing('gold'), null);
  t.false(control.grant('nowhere', { iops: 5 }));
});
