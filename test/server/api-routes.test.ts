import { readFileSync } from 'node:fs';
import test from 'ava';
import { ROUTES, routeOf } from '../../src/server/api-routes.js';
import { READ } from '../../src/throttle/throttle.js';
import { EXIT_USAGE } from '../../src/util/errors.js';
import { fakeMount } from '../helpers/api.js';

type Rig = ReturnType<typeof fakeMount>;

async function ask({ mount }: Rig, method: string, url: string, body: unknown = null) {
  const [path = '', query] = url.split('?', 2);
  const { route, rest } = routeOf(method, path);
  const call = { rest, query: new URLSearchParams(query), body };
  return JSON.parse(JSON.stringify(await route.answer(mount, call)));
}

test('the mount, with all requests since it was made', async (t) => {
  const rig = fakeMount();
  for (const request of [1, 2]) rig.throttle.submit(request, 0, READ, 4096, 0);
  const { version, timeMs, ageSeconds, ...about } = await ask(rig, 'GET', '/v1/mount');
  const facts = {
    mountpoint: '/mnt/s',
    pid: process.pid,
    transport: 'uring',
    requests: 2,
    keeper: 'yes',
  };
  t.deepEqual(about, facts);
  t.regex(version, /^[0-9]+\./);
  t.true(Number.isInteger(timeMs) && Number.isInteger(ageSeconds));
});

test('figures are those of sluice stat --json, of all groups or of one', async (t) => {
  const rig = fakeMount();
  const all = await ask(rig, 'GET', '/v1/stat');
  t.deepEqual(
    all.groups.map(({ path, weight }: { path: string; weight: number }) => [path, weight]),
    [
      ['/', 100],
      ['gold', 80],
    ],
  );
  t.like(all.groups[0], { depth: { mode: 'auto', window: 24 }, cost: 'linear' });
  t.is(all.images[0].path, '/srv/web.img');
  const one = await ask(rig, 'GET', '/v1/stat?group=gold');
  t.deepEqual(one.groups, [all.groups[1]]);
  t.is((await ask(rig, 'GET', '/v1/stat?group=%2F')).groups[0].path, '/');
  await t.throwsAsync(ask(rig, 'GET', '/v1/stat?group=lead'), {
    message: 'there is no group "lead"; groups: /, gold',
  });
});

test('groups come, change and go, and what is listed can be sent back', async (t) => {
  const rig = fakeMount();
  await ask(rig, 'PUT', '/v1/groups/team%2Fnew', { weight: 7, member: ['uid:7'] });
  await ask(rig, 'PATCH', '/v1/groups/%2F', { depth: 32 });
  await ask(rig, 'PUT', '/v1/groups/%2F', {});
  await ask(rig, 'DELETE', '/v1/groups/gold');
  const member = { kind: 'uid', id: 7 };
  t.deepEqual(rig.orders, [
    {
      ...{ kind: 'change', group: 'team/new', create: true },
      changes: { weight: 7, members: [{ member, remove: false }] },
    },
    { kind: 'change', group: '', create: false, changes: { depth: 32 } },
    { kind: 'change', group: '', create: false, changes: {} },
    { kind: 'remove', group: 'gold' },
  ] as never);
  t.deepEqual(rig.notes, ['forget gold in 7']);
  const { groups } = await ask(rig, 'GET', '/v1/groups');
  t.like(groups[1], { path: 'gold', members: ['web'] });
  t.like(groups[0].settings, { depth: 'auto', cost: 'linear' });
  t.is(groups[1].settings.weight, 80);
  await ask(rig, 'PATCH', '/v1/groups/gold', groups[1].settings);
  t.like(rig.orders.at(-1), { changes: { weight: 80, latencyTarget: Infinity } } as never);
  const burst = { total_iops_sec_max: 900, total_iops_sec_max_length: 3 };
  await ask(rig, 'PATCH', '/v1/groups/gold', { total_iops_sec: 100, ...burst });
  t.like(rig.orders.at(-1), {
    changes: { limits: { iops: 100 }, bursts: { iops: { rate: 900, seconds: 3 } } },
  } as never);
});

test('a group that is not there, and a mount that ends', async (t) => {
  const rig = fakeMount();
  const unknown = { message: 'there is no group "lead/x"; groups: /, gold' };
  await t.throwsAsync(ask(rig, 'PATCH', '/v1/groups/lead/x', { weight: 7 }), unknown);
  await t.throwsAsync(ask(rig, 'DELETE', '/v1/groups/lead/x'), unknown);
  await t.throwsAsync(ask(rig, 'PUT', '/v1/groups/a%2F..', {}), { message: /begin with a dot/ });
  const error = { message: 'why', errno: 'EBUSY', exitCode: EXIT_USAGE };
  const busy = fakeMount({ order: async () => ({ error, shown: null, gone: [] }) });
  await t.throwsAsync(ask(busy, 'DELETE', '/v1/groups/gold'), { message: 'why' });
  const ending = fakeMount({ isServing: () => false });
  await t.throwsAsync(ask(ending, 'DELETE', '/v1/groups/gold'), { message: 'the mount is ending' });
  t.deepEqual([rig.orders, ending.orders], [[], []]);
});

test('images come, grow and go', async (t) => {
  const rig = fakeMount();
  const body = { path: '/srv/web.img', readOnly: true };
  const came = await ask(rig, 'POST', '/v1/images', body);
  t.is(came.image.size, 4096);
  t.deepEqual(came.warnings, ['somebody reads it']);
  t.is((await ask(rig, 'PATCH', '/v1/images/web', { size: 8192 })).image.name, 'web');
  await ask(rig, 'PATCH', '/v1/images/a%20b', { size: null });
  await ask(rig, 'DELETE', '/v1/images/web');
  await ask(rig, 'DELETE', '/v1/images/web?force=true');
  t.like(rig.orders[0], { kind: 'attach', options: { readOnly: true } } as never);
  t.deepEqual(rig.orders.slice(1), [
    { kind: 'resize', name: 'web', size: 8192 },
    { kind: 'resize', name: 'a b', size: null },
    { kind: 'detach', name: 'web', force: false },
    { kind: 'detach', name: 'web', force: true },
  ] as never);
  t.deepEqual(await ask(rig, 'POST', '/v1/reload'), { warnings: ['somebody reads it'] });
  t.deepEqual(rig.orders.at(-1), { kind: 'reload' });
  t.is((await ask(rig, 'GET', '/v1/images')).images.length, 1);
  t.deepEqual((await ask(rig, 'GET', '/v1/partitions')).partitions, []);
});

test('what is no route says what there is', (t) => {
  t.throws(() => routeOf('GET', '/v2/mount'), {
    message: /^\/v2\/mount: there is no such path; paths: \/v1\/mount,/,
  });
  t.throws(() => routeOf('GET', '/v1/groups/'), { message: /no such path/ });
  t.throws(() => routeOf('POST', '/v1/groups/gold'), { message: /methods: PUT, PATCH, DELETE$/ });
  t.throws(() => routeOf('PUT', '/v1/groups/%ff'), { message: /percent-encoding/ });
});

test('docs/api.md has each route', (t) => {
  const text = readFileSync('docs/api.md', 'utf8');
  for (const { method, path } of ROUTES) {
    t.true(text.includes(`| \`${method} ${path}\` |`), `${method} ${path}`);
  }
});

test('who asks again and again gets what has changed', async (t) => {
  const rig = fakeMount();
  const first = await ask(rig, 'GET', '/v1/live');
  t.deepEqual(first.named, [
    { path: '/', settings: [], members: [] },
    { path: 'gold', settings: ['weight=80'], members: ['web'] },
  ]);
  t.deepEqual([first.busy, first.mount.window, first.images], [[], 24, null]);
  t.is((await ask(rig, 'GET', '/v1/live?images=1')).images[0].name, 'web');
  rig.throttle.submit(1, 0, READ, 4096, 0);
  const second = await ask(rig, 'GET', `/v1/live?edition=${first.edition}`);
  t.is(second.named, null);
  t.deepEqual(second.busy[1].members, [
    { name: 'web', figures: { queued: 0, inflight: 1 }, times: {} },
  ]);
});

test('callers are those of sluice stat --callers --json', async (t) => {
  const caller = {
    ...{ pid: 7, uid: 0, recent: 1, threads: 1, command: 'fio', cgroup: '/' },
    ...{ rios: 1, wios: 0, dios: 0, rbytes: 512, wbytes: 0, dbytes: 0 },
    ...{ waitNs: 2000, serviceNs: 1000, longestNs: 3000, followedNs: 1e9 },
  };
  const { callers } = await ask(fakeMount({ callers: () => [caller] }), 'GET', '/v1/callers');
  t.like(callers[0], { pid: 7, command: 'fio', waitUsec: 2, followedUsec: 1e6 });
  await t.throwsAsync(ask(fakeMount({ transport: 'fuse-native' }), 'GET', '/v1/callers'), {
    message: '/mnt/s: its transport is fuse-native, which does not tell who calls',
  });
});
