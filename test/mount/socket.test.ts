import { chmodSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ourMount } from '../../src/fuse/mount-point.js';
import { askMount } from '../../src/server/api-client.js';
import { socketOf } from '../../src/server/socket-path.js';
import { removeStaleSockets } from '../../src/server/stale-sockets.js';
import { fakeMount, serveApi } from '../helpers/api.js';
import { Control } from '../helpers/control.js';
import { OtherUser } from '../helpers/other-user.js';
import { eventually, IN_THE_END_MS, isAlive } from '../helpers/proc.js';
import { requires } from '../helpers/requires.js';
import { Child } from '../helpers/run.js';
import { type SluiceMount, startMount, withMount } from '../helpers/sluice-mount.js';
import { MIB, sparseFile, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';

const socketTest = requires('fuse', 'root', 'io_uring');
const nativeTest = requires('fuse', 'root');
const otherTest = requires('fuse', 'root', 'io_uring', 'setpriv');

/** A machine under load answers late. */
const limitMs = IN_THE_END_MS;
const GET = { method: 'GET', path: '/v1/stat', limitMs };

const socketAt = ({ point }: SluiceMount): string => socketOf(ourMount(point)!)!;

interface Stat {
  groups: { path: string; weight: number; total: { rios: number; queued: number } }[];
}

socketTest('while every request waits, the socket answers a hundred clients', async (t) => {
  const image = sparseFile(join(tempFolder(t), 'disk.img'), MIB);
  const words = ['--group', 'slow:iops=1', '--assign', 'disk=slow', '--group', '/:iops=1'];
  await withMount(t, [image], words, async (mount) => {
    const script =
      'for i in 1 2 3 4 5 6 7 8; do dd if="$0" of=/dev/null bs=4k count=9 & done; wait';
    const readers = new Child('bash', ['-c', script, mount.file()]);
    const all = (): Promise<Stat | null> => askMount<Stat>(mount.point, GET);
    // One has been let go.
    const isFull = async (): Promise<boolean> => (await all())!.groups[0]!.total.queued >= 7;
    const end = performance.now() + IN_THE_END_MS;
    while (!(await isFull()) && performance.now() < end);
    t.true(await isFull());
    const answers = await Promise.all(Array.from({ length: 100 }, all));
    for (const answer of answers) t.is(answer!.groups.length, 2);
    // A change counts at once: the readers come to their end.
    for (const path of ['/v1/groups/%2F', '/v1/groups/slow']) {
      await askMount(mount.point, { method: 'PATCH', path, body: { iops: 'max' }, limitMs });
    }
    t.is((await readers.within()).code, 0);
  });
});

socketTest(
  'commands change groups as a whole over the socket, and a group has its folder',
  async (t) => {
    const image = sparseFile(join(tempFolder(t), 'disk.img'), MIB);
    await withMount(t, [image], [], async (mount) => {
      const control = new Control(mount);
      const set = (...words: string[]) => warmSluice(['set', mount.point, ...words]);
      t.is((await set('team/gold', 'bps=10M', 'member=disk', '--create')).code, 0);
      t.is(await control.read('team/gold/members'), 'disk\n');
      const refused = await set('team/gold', 'weight=7', 'member=nobody');
      t.is(refused.code, 2);
      t.regex(refused.stderr, /^sluice: set: team\/gold: .*nobody/);
      t.is(await control.read('team/gold/io.weight'), 'default 100\n');
      t.is((await set('team/gold', 'member=disk')).code, 0);
      t.is((await set('/', 'member=disk')).code, 0);
      t.is((await set('team/gold', '--remove')).code, 0);
      t.is(await control.must('ls -d team/* | grep -c gold || true'), '0\n');
      t.false(existsSync(control.path('team', 'gold')));
    });
  },
);

socketTest('without the socket commands go by the control files', async (t) => {
  const folder = tempFolder(t);
  const image = sparseFile(join(folder, 'disk.img'), MIB);
  const other = sparseFile(join(folder, 'other.img'), MIB);
  await withMount(t, [image], ['--group', 'gold'], async (mount) => {
    rmSync(socketAt(mount));
    t.is(await askMount(mount.point, GET), null);
    t.is((await warmSluice(['set', mount.point, 'gold', 'weight=7'])).code, 0);
    const stat = await warmSluice(['stat', mount.point, 'gold', '--json']);
    t.is(JSON.parse(stat.stdout).groups[0].weight, 7);
    t.is((await warmSluice(['attach', mount.point, other])).code, 0);
    const grown = await warmSluice(['resize', mount.point, 'other', '2M']);
    t.is(grown.stdout, 'other: 2097152 bytes, 2 MiB\n');
    t.is((await warmSluice(['detach', mount.point, 'other'])).code, 0);
    const listed = JSON.parse((await warmSluice(['list', '--json'])).stdout);
    t.is(listed.find((one: { pid: number }) => one.pid === mount.pid).images.length, 1);
  });
});

otherTest(
  'another user can use neither images nor control files, whatever the mount lets in',
  async (t) => {
    const folder = tempFolder(t);
    const image = sparseFile(join(folder, 'disk.img'), MIB);
    const other = new OtherUser(t, [], folder);
    if (!(await other.canRun())) return;
    const script = 'for file; do cat "$file" >/dev/null; echo iops=1 >"$file"; done';
    const told = async (mount: SluiceMount): Promise<string> => {
      const { point } = mount;
      chmodSync(dirname(point), 0o755);
      const files = [mount.file(), join(point, '.groups/io.max'), join(point, '.groups/images')];
      const { stderr } = await other.run('bash', '-c', script, 'bash', ...files);
      return stderr.replaceAll(/^.*\//gm, '').replaceAll(/^bash: .*?([^/]*: )/gm, '$1');
    };
    const words = ['--mode', '0600'];
    const [image1, limits, orders] = ['disk.raw', 'io.max', 'images'].map(
      (name) => `${name}: Permission denied\n`,
    );
    await withMount(t, [image], words, async (mount) => {
      t.is(await told(mount), [image1, image1, limits, limits, orders, orders].join(''));
    });
    // Limits and names of images may be read there (docs/security.md).
    await withMount(t, [image], [...words, '--allow-other'], async (mount) => {
      t.is(await told(mount), [image1, image1, limits, orders].join(''));
      const tables = await other.sluice('partitions', mount.point);
      t.regex(tables.stderr, /: only the user who mounted it, or root, may have tables read again/);
      t.is(tables.code, 4);
    });
  },
);

otherTest('another user cannot use the socket, nor where its folder is open to all', async (t) => {
  const folder = tempFolder(t);
  const image = sparseFile(join(folder, 'disk.img'), MIB);
  const other = new OtherUser(t, [], folder);
  if (!(await other.canRun())) return;
  const script = `require('node:net').connect(process.argv[1]).once('connect', () => process.exit(0))
    .once('error', (error) => { console.log(error.code); process.exit(1); })`;
  const tries = (socket: string) => other.run(process.execPath, '-e', script, socket);
  await withMount(t, [image], [], async (mount) => {
    t.like(await tries(socketAt(mount)), { code: 1, stdout: 'EACCES\n' });
    t.truthy(await askMount(mount.point, GET));
  });
  const open = await serveApi(t, fakeMount().mount, join(folder, 'run'));
  chmodSync(join(folder, 'run'), 0o755);
  t.like(await tries(open), { code: 1, stdout: 'EACCES\n' });
});

socketTest(
  'the socket of a daemon that was killed goes with the next mount or sluice list',
  async (t) => {
    const image = sparseFile(join(tempFolder(t), 'disk.img'), MIB);
    const mount = await startMount(t, [image]);
    const socket = socketAt(mount);
    t.true(existsSync(socket));
    process.kill(mount.pid, 'SIGKILL');
    t.true(await eventually(() => !isAlive(mount.pid)));
    // The kernel closes the socket of a process some time after its end.
    const end = performance.now() + IN_THE_END_MS;
    while (existsSync(socket) && performance.now() < end) await removeStaleSockets(dirname(socket));
    t.false(existsSync(socket));
    const stat = await warmSluice(['stat', mount.point]);
    t.is(stat.code, 5);
    t.regex(stat.stderr, /its daemon is gone/);
  },
);

nativeTest('fuse-native has the socket too', async (t) => {
  const image = sparseFile(join(tempFolder(t), 'disk.img'), MIB);
  await withMount(t, [image], ['--transport', 'fuse-native'], async (mount) => {
    const path = '/v1/groups/gold';
    await askMount(mount.point, {
      method: 'PUT',
      path,
      body: { weight: 7, member: 'disk' },
      limitMs,
    });
    const { groups } = (await askMount<Stat>(mount.point, GET))!;
    t.deepEqual(
      groups.map(({ path: group, weight }) => [group, weight]),
      [
        ['/', 100],
        ['gold', 7],
      ],
    );
    t.is(await new Control(mount).read('gold/members'), 'disk\n');
  });
});

socketTest('what sluice save prints makes the same mount again', async (t) => {
  const folder = tempFolder(t);
  const image = sparseFile(join(folder, 'disk.img'), MIB);
  const other = sparseFile(join(folder, 'other.img'), MIB);
  const file = join(folder, 'vm.yaml');
  const groups = async (mount: SluiceMount) =>
    (await askMount<{ groups: unknown[] }>(mount.point, { ...GET, path: '/v1/groups' }))!.groups;
  const words = ['--group', 'gold:bps=10M,burst.bps=20M/5', '--assign', 'disk=gold'];
  let before: unknown;
  await withMount(t, [image], words, async (mount) => {
    const come = ['attach', mount.point, other, '--read-only'];
    t.is((await warmSluice(come)).code, 0);
    t.is((await warmSluice(['set', mount.point, 'team/b', 'member=other', '--create'])).code, 0);
    before = await groups(mount);
    const saved = await warmSluice(['save', mount.point]);
    t.like(saved, { code: 0, stderr: '' });
    writeFileSync(file, saved.stdout);
    t.is((await warmSluice(['config', 'check', file])).code, 0);
    rmSync(socketAt(mount));
    t.is((await warmSluice(['save', mount.point])).code, 4);
    t.is((await warmSluice(['detach', mount.point, 'other'])).code, 0);
  });
  // Where it is mounted, and its log, are other ones: the command line wins.
  await withMount(t, [], ['--config', file], async (mount) => {
    t.deepEqual(await groups(mount), before);
    const stat = await askMount<{ images: { name: string; readOnly: boolean }[] }>(
      mount.point,
      GET,
    );
    t.deepEqual(
      stat!.images.map(({ name, readOnly }) => [name, readOnly]),
      [
        ['disk', false],
        ['other', true],
      ],
    );
  });
});
