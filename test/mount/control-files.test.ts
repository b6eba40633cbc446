import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { writeControlFiles } from '../../src/server/change-group.js';
import { Control } from '../helpers/control.js';
import { OtherUser } from '../helpers/other-user.js';
import { eventually } from '../helpers/proc.js';
import { mountTest, requires } from '../helpers/requires.js';
import { type SluiceMount, withMount } from '../helpers/sluice-mount.js';
import { MIB, sparseFile, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';

const otherTest = requires('fuse', 'root', 'io_uring', 'setpriv');

/** A mount of the images `web` and `db` with a group `gold`. */
function withControl(
  t: ExecutionContext,
  words: readonly string[],
  use: (control: Control, mount: SluiceMount) => Promise<void>,
): Promise<void> {
  const folder = tempFolder(t);
  const images = ['web', 'db'].map((name) => sparseFile(join(folder, `${name}.img`), MIB));
  const options = ['--group', 'gold', ...words];
  return withMount(t, images, options, (mount) => use(new Control(mount), mount));
}

/** Brings a mount back to its beginning: no group but an empty `gold`, and no settings. */
const RESET =
  'for m in web db; do echo $m > members; done; find . -mindepth 1 -depth -type d -exec rmdir {} +; ' +
  'mkdir gold; echo auto > io.depth; echo linear > io.cost';

type Use = (t: ExecutionContext, control: Control, mount: SluiceMount) => Promise<void>;

/** What needs no options of its own. It is tested in one mount, because mounting takes most of a test's time. */
const TOGETHER: Record<string, Use> = {};

const GOLD = 'rbps=10485760 wbps=max bps=max riops=max wiops=max iops=max iops_size=max\n';

TOGETHER['echo, tee, appending and writing in place change a file; cat shows it'] = async (
  t,
  control,
) => {
  for (const script of [
    'echo rbps=10M > gold/io.max',
    'printf rbps=10M > gold/io.max',
    'echo rbps=10M >> gold/io.max',
    'echo rbps=10M | tee gold/io.max > /dev/null',
    'echo rbps=10M | dd of=gold/io.max conv=notrunc status=none',
    'echo rbps=10M | dd of=gold/io.max seek=100 status=none',
    'sed s/rbps=max/rbps=10M/ gold/io.max > /tmp/$$ && cat /tmp/$$ > gold/io.max; rm /tmp/$$',
  ]) {
    await control.must('echo rbps=max > gold/io.max');
    t.not(await control.read('gold/io.max'), GOLD);
    t.is((await control.shell(script)).code, 0, script);
    t.is(await control.read('gold/io.max'), GOLD, script);
  }
};

TOGETHER['an editor that opens for reading and writing sees what it wrote'] = async (
  t,
  control,
) => {
  const script =
    'exec 3<>gold/io.weight; read -u 3 before; echo 80 >&3; exec 4<gold/io.weight; cat <&4; ' +
    'echo "$before"';
  t.is(await control.must(script), 'default 80\ndefault 100\n');
};

TOGETHER['truncating alone changes nothing'] = async (t, control) => {
  await control.must('mkdir silver; echo iops=1000 > silver/io.max');
  await control.must(': > silver/io.max; truncate -s 0 silver/io.max');
  t.regex(await control.read('silver/io.max'), / iops=1000 /);
};

TOGETHER['a refused write has the right errno, keeps the old value and is in the log'] = async (
  t,
  control,
  mount,
) => {
  await control.must('echo rbps=10M > gold/io.max');
  const before = mount.log.length;
  for (const [script, message] of [
    ['echo rbps=-1 > gold/io.max', 'Invalid argument'],
    ['echo rbps=0 > gold/io.max', 'Invalid argument'],
    ['echo speed=1 > gold/io.max', 'Invalid argument'],
    ['echo rbps=99999999999999999999 > gold/io.max', 'Numerical result out of range'],
    ["printf 'rbps=5M wbp' > gold/io.max", 'Invalid argument'],
    ["printf 'rbps=5M\\0' > gold/io.max", 'Invalid argument'],
    ['head -c 100 /dev/urandom > gold/io.max', 'Invalid argument'],
    ["head -c 1M /dev/zero | tr '\\0' x | dd of=gold/io.max bs=1M", 'Invalid argument'],
    ["head -c 3M /dev/zero | tr '\\0' x | dd of=gold/io.max bs=3M", 'Invalid argument'],
  ] as const) {
    const { code, stderr } = await control.shell(script);
    t.not(code, 0, script);
    t.true(stderr.includes(message), `${script}: ${stderr}`);
    t.is(await control.read('gold/io.max'), GOLD, script);
  }
  const refusals = (): string[] => mount.log.slice(before).match(/refused \(.*/g) ?? [];
  t.true(await eventually(() => refusals().length >= 9));
  t.is(refusals().length, 9);
  t.regex(
    refusals()[0]!,
    /^refused \(EINVAL\): gold\/io\.max: rbps=-1: expected a number of bytes/,
  );
};

TOGETHER['groups are made and removed, and no name of one that is gone stays behind'] = async (
  t,
  control,
) => {
  for (let round = 0; round < 20; round++) {
    await control.must('mkdir a a/b; cat a/b/io.weight > /dev/null; echo 7 > a/b/io.weight');
    t.is(await control.read('a/b/io.weight'), 'default 7\n');
    await control.must('rmdir a/b a; test ! -e a; test ! -e a/b/io.weight');
    // A new group of the same name has no settings of the old one.
    await control.must('mkdir a');
    t.is(await control.read('a/io.weight'), 'default 100\n');
    await control.must('rmdir a');
  }
};

mountTest('mkdir and rmdir say what is wrong', async (t) => {
  await withControl(t, ['--assign', 'web=gold', '--group', 'a', '--group', 'a/b'], async (c) => {
    for (const [script, message] of [
      ['rmdir gold', 'Device or resource busy'],
      ['mkdir gold/sub', 'Device or resource busy'],
      ['rmdir a', 'Device or resource busy'],
      ['mkdir a', 'File exists'],
      ['mkdir gold/members', 'File exists'],
      ['mkdir a/io.new', 'Invalid argument'],
      ['mkdir a/daemon', 'Invalid argument'],
      ['mkdir a/.x', 'Invalid argument'],
      ['mkdir none/x', 'No such file or directory'],
      ['mkdir ../x', 'Operation not permitted'],
      ['rmdir a/io.max', 'Not a directory'],
      ['echo web > a/members', 'Device or resource busy'],
      ['echo none > gold/members', 'No such file or directory'],
      ['touch gold/new', 'Operation not permitted'],
      ['rm gold/io.max', 'Operation not permitted'],
      ['mv gold silver', 'Operation not permitted'],
      ['ln -s gold silver', 'Operation not permitted'],
      ['chmod 666 gold/io.max', 'Operation not permitted'],
      ['sed -i s/a/b/ gold/io.max', 'Operation not permitted'],
      ['echo x > gold/io.stat', 'Permission denied'],
    ] as const) {
      const { code, stderr } = await c.shell(script);
      t.not(code, 0, script);
      t.true(stderr.includes(message), `${script}: ${stderr}`);
    }
    t.is(await c.must('ls'), LISTING);
  });
});

const LISTING = [
  ...['a', 'daemon', 'gold', 'images', 'io.burst', 'io.callers', 'io.cost', 'io.depth'],
  ...[
    'io.latency',
    'io.max',
    'io.min',
    'io.per_gb',
    'io.pressure',
    'io.stat',
    'io.times',
    'io.weight',
  ],
  ...['members', 'partitions', 'refused', ''],
].join('\n');

TOGETHER['a file of a removed group that is open answers, and can be closed'] = async (
  t,
  control,
) => {
  const { stderr } = await control.shell(
    'mkdir a && exec 3<>a/io.weight && rmdir a && { echo 5 >&3; exec 3>&-; echo closed >&2; }',
  );
  t.regex(stderr, /No such device/);
  t.regex(stderr, /closed/);
};

TOGETHER['several writers at once are all heard'] = async (t, control) => {
  const names = Array.from({ length: 8 }, (_, index) => `w${index}`);
  const writer = 'for i in $(seq 100); do echo $i > $n/io.weight; done';
  await control.must(`for n in ${names.join(' ')}; do mkdir $n; (${writer}) & done; wait`);
  for (const name of names) t.is(await control.read(`${name}/io.weight`), 'default 100\n');
};

// The printf of bash writes line by line; /usr/bin/printf writes everything at once.
TOGETHER['members move one by one or in a list, which moves whole or not at all'] = async (
  t,
  control,
) => {
  t.is(await control.read('members'), 'web\ndb\n');
  await control.must('echo web > gold/members');
  t.is(await control.read('gold/members'), 'web\n');
  t.is(await control.read('members'), 'db\n');
  t.not((await control.shell("env printf 'db\\nnone\\n' > gold/members")).code, 0);
  t.is(await control.read('gold/members'), 'web\n');
  await control.must("env printf 'db\\nuid:4711\\n' > gold/members");
  t.is(await control.read('gold/members'), 'web\ndb\nuid:4711\n');
  await control.must('echo web > members; echo -uid:4711 > gold/members');
  t.is(await control.read('gold/members'), 'db\n');
  t.is(await control.read('members'), 'web\n');
};

otherTest('files belong to who mounted; others may look if they may see the mount', async (t) => {
  await withControl(t, ['--allow-other'], async (control, mount) => {
    const mode = (path: string): string => (statSync(control.path(path)).mode & 0o777).toString(8);
    t.is(mode('gold'), '755');
    t.is(mode('gold/io.max'), '644');
    t.is(mode('gold/io.stat'), '444');
    t.is(statSync(control.path('gold/io.max')).uid, process.getuid!());
    const other = new OtherUser(t, [], join(mount.point, '..'));
    t.is((await other.run('cat', control.path('gold/io.weight'))).stdout, 'default 100\n');
    const write = await other.run('sh', '-c', `echo 5 > ${control.path('gold/io.weight')}`);
    t.regex(write.stderr, /[Pp]ermission denied/);
    t.regex((await other.run('mkdir', control.path('x'))).stderr, /Permission denied/);
    t.is(await control.read('gold/io.weight'), 'default 100\n');
  });
});

TOGETHER['sluice set changes what the files show, and prints why it did not'] = async (
  t,
  control,
  mount,
) => {
  const set = (...words: string[]) => warmSluice(['set', mount.point, ...words]);
  const all = ['weight=60', 'bps=100M', 'burst.bps=400M/10', 'latency=2000', 'min.iops=5'];
  t.like(await set('gold', ...all, 'member=web'), { code: 0, stdout: '', stderr: '' });
  t.is(await control.read('gold/io.weight'), 'default 60\n');
  t.regex(await control.read('gold/io.max'), / bps=104857600 /);
  t.regex(await control.read('gold/io.burst'), / bps=419430400\/10 /);
  t.is(await control.read('gold/io.latency'), 'target=2000\n');
  t.is(await control.read('gold/io.min'), 'bps=0 iops=5\n');
  t.is(await control.read('gold/members'), 'web\n');
  t.is((await set('/', 'depth=16', 'cost=ios')).code, 0);
  t.is(await control.read('io.depth'), '16\n');
  t.is((await set('new', '--create', 'weight=5')).code, 0);
  t.is(await control.read('new/io.weight'), 'default 5\n');

  const refused = async (code: number, stderr: string, ...words: string[]) => {
    t.like(await set(...words), { code, stderr: `sluice: set: ${stderr}\n` });
  };
  await refused(2, 'there is no group "x"; groups: /, gold, new; --create makes it', 'x', 'iops=1');
  await refused(2, 'weight=0: not from 1 to 10000', 'gold', 'weight=0');
  await refused(
    2,
    'gold: wbps=1048576/1: a burst needs the plain limit; set wbps in io.max first',
    'gold',
    'burst.wbps=1M/1',
  );
  await refused(2, 'gold: x: there is no such image; images: web, db', 'gold', 'member=x');
  await refused(
    1,
    'gold/sub: group "gold/sub": its parent "gold" has members; move them first',
    'gold/sub',
    '--create',
    'weight=1',
  );
};

mountTest(
  '--group takes every key, and a mistake that only shows in the daemon is told',
  async (t) => {
    const every = 'gold2:weight=80,bps=100M,burst.bps=400M/10,min.bps=1M,latency=500,member=uid:7';
    await withControl(t, ['--group', every, '--group', '/:depth=8,cost=bytes'], async (control) => {
      t.is(await control.read('gold2/io.weight'), 'default 80\n');
      t.is(await control.read('gold2/io.latency'), 'target=500\n');
      t.is(await control.read('gold2/members'), 'uid:7\n');
      t.is(await control.read('io.depth'), '8\n');
      t.is(await control.read('io.cost'), 'bytes\n');
    });
    const folder = tempFolder(t);
    const image = sparseFile(join(folder, 'web.img'), MIB);
    const words = ['mount', image, folder, '--log', join(folder, 'log')];
    t.like(await warmSluice([...words, '--group', 'g:burst.bps=1M/5']), {
      code: 2,
      stderr:
        'sluice: mount: --group g: bps=1048576/5: a burst needs the plain limit; ' +
        'set bps in io.max first\n',
    });
  },
);

TOGETHER['who changes by control files is told no older reason for an error of the kernel'] =
  async (t, control, mount) => {
    const order = { mountpoint: mount.point, group: 'gold', settings: [] };
    const remove = () => writeControlFiles({ ...order, change: 'remove' });
    await control.must('echo web > gold/members');
    t.regex((await remove())!.reason, /gold.*member/);
    await control.must('echo web > members; rmdir gold; echo 0 > io.weight || true; mkdir gold');
    t.is(await control.read('refused'), 'io.weight: "0": not from 1 to 10000\n');
    t.is(await remove(), null);
    t.is(await control.read('refused'), '', 'a change empties it first');
  };

TOGETHER['a group may be called *, and is that one group'] = async (t, _control, mount) => {
  const set = (...words: string[]) => warmSluice(['set', mount.point, ...words]);
  t.regex((await set('*', 'weight=7')).stderr, /there is no group "\*"/);
  t.is((await set('*', 'weight=7', '--create')).code, 0);
  const { stdout } = await warmSluice(['stat', mount.point, '*', '--json']);
  const { groups } = JSON.parse(stdout) as { groups: { path: string; weight: number }[] };
  t.deepEqual(
    groups.map(({ path, weight }) => [path, weight]),
    [['*', 7]],
  );
};

mountTest(`${Object.keys(TOGETHER).length} uses of control files, in one mount`, async (t) => {
  await withControl(t, [], async (control, mount) => {
    for (const [title, use] of Object.entries(TOGETHER)) {
      t.log(title);
      await control.must(RESET);
      await use(t, control, mount);
    }
  });
});
