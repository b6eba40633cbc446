import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { Control } from '../helpers/control.js';
import { FileAgent } from '../helpers/file-agent.js';
import { untilQueued } from '../helpers/group-files.js';
import { ownNamespace } from '../helpers/namespace.js';
import { OtherUser } from '../helpers/other-user.js';
import { GPT } from '../helpers/partition-disks.js';
import { makeTable } from '../helpers/partition-tools.js';
import { requires } from '../helpers/requires.js';
import { must, run, sluice, sluiceWords } from '../helpers/run.js';
import { startMount, withMount } from '../helpers/sluice-mount.js';
import { MIB, patternFile, sparseFile, TMPFS, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';

const liveTest = requires('fuse', 'root', 'io_uring', 'qemu', 'sfdisk');
const userTest = requires('fuse', 'root', 'io_uring', 'setpriv', 'fusermount3');

/** Written as one write; more than the burst of the limit below. */
const CHUNK = 64 << 10;

for (const transport of ['uring', 'fuse-native']) {
  liveTest(`${transport}: images come, are used, and are on disk when they go`, async (t) => {
    const folder = tempFolder(t, TMPFS);
    const first = sparseFile(join(folder, 'first.img'), MIB);
    const web = patternFile(join(folder, 'web.img'), 2 * MIB);
    const vm = join(folder, 'vm.qcow2');
    await must('qemu-img', ['create', '-q', '-f', 'qcow2', vm, '64M']);
    await withMount(t, [first], ['--transport', transport, '--group', 'gold'], async (mount) => {
      const attach = (...words: string[]) => warmSluice(['attach', mount.point, ...words]);
      const detach = (...words: string[]) => warmSluice(['detach', mount.point, ...words]);
      const control = new Control(mount);
      for (let round = 0; round < 2; round++) {
        const came = await attach(web, '--assign', 'web=gold');
        t.is(came.code, 0, came.stderr);
        t.is((await attach(vm)).code, 0);
        t.is((await run('cmp', [web, mount.file('web')])).code, 0);
        t.is(await control.read('gold/members'), 'web\n');
        await must('dd', [
          'if=/dev/urandom',
          `of=${mount.file('vm')}`,
          'bs=1M',
          'count=3',
          'conv=notrunc',
        ]);
        const seen = join(folder, 'seen');
        await must('dd', [`if=${mount.file('vm')}`, `of=${seen}`, 'bs=1M', 'count=3']);
        t.is((await detach('vm')).code, 0);
        // Right after the command: nothing of it is in the kernel's caches, and nobody holds the image.
        t.false(existsSync(mount.file('vm')));
        await must('qemu-img', ['check', '-q', vm]);
        await must('qemu-img', ['compare', '-q', '-f', 'qcow2', '-F', 'raw', vm, seen]);
        t.is((await detach('web')).code, 0);
        t.is(await control.read('gold/members'), '');
        t.true(((await control.figures('gold'))?.rbytes ?? 0) >= 2 * MIB);
      }
      const clash = await attach(`first=${web}`);
      t.is(
        clash.stderr,
        `sluice: attach: ${web}: the name "first" is taken by ${first}; give one of them another name with NAME=IMAGE\n`,
      );
      t.is(clash.code, 2);
      t.is((await attach(join(folder, 'none.img'))).code, 1);
      const open = openSync(mount.file('first'), 'r');
      const busy = await detach('first');
      closeSync(open);
      t.is(busy.stderr, 'sluice: detach: first.raw is open; close it, or use --force\n');
      t.is(busy.code, 1);
      // Another file in the place of an image is not taken for it, and takes nothing from it.
      await must('mv', [first, `${first}.old`]);
      await must('cp', [web, first]);
      const replaced = await attach(first);
      t.regex(replaced.stderr, /first\.img: was replaced by another file beneath the mount; /);
      t.is(replaced.code, 2);
      await must('mv', [`${first}.old`, first]);
      t.is((await detach('first')).code, 0);
      t.is(await control.read('images'), '');
      t.is(
        (await detach('first')).stderr,
        'sluice: detach: first: there is no such image; images: none\n',
      );
      t.is((await attach(first, '--read-only')).code, 0);
      t.is(statSync(mount.file('first')).mode & 0o222, 0);
    });
  });
}

liveTest(
  'with --force requests that wait are finished, and the image goes from under its users',
  async (t) => {
    const folder = tempFolder(t, TMPFS);
    const image = sparseFile(join(folder, 'web.img'), MIB);
    const words = ['--group', 'slow:wbps=1', '--assign', 'web=slow'];
    await withMount(t, [image], words, async (mount) => {
      const agent = new FileAgent(t);
      const fd = await agent.open(mount.file('web'), 2);
      const bytes = Buffer.alloc(CHUNK, 7);
      const written = agent.write(fd, CHUNK, bytes);
      await untilQueued(mount, 'slow', 1);
      const gone = await warmSluice(['detach', mount.point, 'web', '--force']);
      t.is(gone.code, 0, gone.stderr);
      t.is(await written, CHUNK);
      t.is(Buffer.compare(readFileSync(image).subarray(CHUNK, 2 * CHUNK), bytes), 0);
      const other = patternFile(join(folder, 'other.img'), MIB);
      t.is((await warmSluice(['attach', mount.point, `web=${other}`])).code, 0);
      t.is((await agent.read(fd, 0, 512)).result, -19);
      t.is(await agent.close(fd), 0);
      t.is((await run('cmp', [other, mount.file('web')])).code, 0);
      t.is((await warmSluice(['detach', mount.point, 'web'])).code, 0);
      t.is((await warmSluice(['attach', mount.point, image])).code, 0);
    });
  },
);

liveTest(
  'partitions come and go with their image, and are assigned; the options of the mount hold',
  async (t) => {
    const folder = tempFolder(t, TMPFS);
    const first = sparseFile(join(folder, 'first.img'), MIB);
    const disk = makeTable(join(folder, 'disk.img'), 32 * MIB, GPT);
    const over = join(folder, 'over.qcow2');
    await must('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', disk, '-F', 'raw', over]);
    await withMount(
      t,
      [first],
      ['--group', 'gold', '--untrusted', '--read-only'],
      async (mount) => {
        const control = new Control(mount);
        const attach = (...words: string[]) => warmSluice(['attach', mount.point, ...words]);
        const untrusted = await attach(over);
        t.is(untrusted.code, 3);
        t.regex(untrusted.stderr, /it names the backing file .*, and --untrusted/);
        const unassigned = await attach(disk, '--assign', 'disk.p9=gold');
        t.regex(
          unassigned.stderr,
          /--assign disk.p9=gold: disk.p9: there is no such partition; partitions: disk.p1, disk.p2\n$/,
        );
        t.false(existsSync(mount.file('disk')));
        t.is((await attach(disk, '--assign', 'disk.p2=gold')).code, 0);
        t.is(await control.read('gold/members'), 'disk.p2\n');
        t.is(statSync(mount.file('disk.p1')).mode & 0o222, 0);
        t.is((await warmSluice(['detach', mount.point, 'disk'])).code, 0);
        t.deepEqual(await must('ls', [mount.point]), 'first.raw\n');
        t.is(await control.read('partitions'), '');
        t.is((await attach(over, '--backing-file', disk)).code, 0);
        t.true(existsSync(mount.file('over.p1')));
        t.is((await warmSluice(['detach', mount.point, 'over'])).code, 0);
      },
    );
  },
);

liveTest('an overlay that is made for an image which is refused is not left behind', async (t) => {
  const folder = tempFolder(t, TMPFS);
  const image = sparseFile(join(folder, 'web.img'), MIB);
  const overlay = join(folder, 'over.qcow2');
  await withMount(t, [sparseFile(join(folder, 'first.img'), MIB)], [], async (mount) => {
    const attach = (...words: string[]) =>
      warmSluice(['attach', mount.point, image, '--overlay', overlay, ...words]);
    t.is((await attach('--assign', 'web=none')).code, 2);
    t.false(existsSync(overlay));
    t.is((await attach()).code, 0);
    await must('dd', [
      'if=/dev/urandom',
      `of=${mount.file('web')}`,
      'bs=64k',
      'count=1',
      'conv=notrunc',
    ]);
    t.is((await warmSluice(['detach', mount.point, 'web'])).code, 0);
    await must('qemu-img', ['check', '-q', overlay]);
    t.is((await run('cmp', [image, '/dev/zero', '-n', String(MIB)])).code, 0);
  });
});

liveTest('a mount begins without an image, and ends with those that it has', async (t) => {
  const folder = tempFolder(t, TMPFS);
  const mount = await startMount(t, [], ['--empty', '--group', 'gold']);
  t.is(await must('ls', [mount.point]), '');
  t.is((await sluice(['partitions', mount.point])).code, 0);
  const web = sparseFile(join(folder, 'web.img'), MIB);
  t.is((await warmSluice(['attach', mount.point, web])).code, 0);
  t.is((await mount.umount()).code, 0);
  await mount.checkGone(t);
  t.regex(mount.log, new RegExp(`: attached ${web} as web`));
});

userTest('who has only the mount, or is another user, attaches nothing', async (t) => {
  const folder = tempFolder(t);
  const first = patternFile(join(folder, 'first.img'), MIB);
  const secret = join(folder, 'secret.img');
  writeFileSync(secret, Buffer.alloc(MIB, 9), { mode: 0o600 });
  const point = join(folder, 'other');
  mkdirSync(point);
  await withMount(t, [first], ['--allow-other'], async (mount) => {
    const user = new OtherUser(t, [], folder);
    chmodSync(dirname(mount.point), 0o755);
    if (!(await user.canRun())) return;
    const attached = await user.sluice('attach', mount.point, secret);
    t.is(attached.code, 4);
    t.regex(
      attached.stderr,
      /at the word of the user who mounted, outside of containers: its daemon is pid \d+\n$/,
    );
    t.is((await user.sluice('detach', mount.point, 'first')).code, 4);
    // Root that sees the mount in another pid namespace: as in a container.
    const inside = await run('unshare', [
      ...['--pid', '--fork', '--mount-proc'],
      ...ownNamespace(
        [process.execPath, ...sluiceWords('attach', mount.point, secret)],
        mount.point,
      ),
    ]);
    t.is(inside.code, 4, inside.stderr);
    const order = '{"key":"","order":{"kind":"detach","name":"first","force":true}}';
    const { code } = await run('bash', [
      '-c',
      `echo '${order}' > "$0"/.groups/images`,
      mount.point,
    ]);
    t.not(code, 0);
    t.regex(
      readFileSync(join(mount.point, '.groups', 'refused'), 'utf8'),
      /^images: images come and go at the word/,
    );
    t.deepEqual(await must('ls', [mount.point]), 'first.raw\n');
    const set = await sluice(['set', mount.point, '/', 'iops=1000']);
    t.is(set.code, 0);
  });
});

for (const transport of ['uring', 'fuse-native']) {
  liveTest(`${transport}: images grow, by the command and beneath the mount`, async (t) => {
    const folder = tempFolder(t, TMPFS);
    const raw = sparseFile(join(folder, 'raw.img'), MIB);
    const vm = join(folder, 'vm.qcow2');
    await must('qemu-img', ['create', '-q', '-f', 'qcow2', vm, '1M']);
    const words = ['--transport', transport, '--no-partitions'];
    await withMount(t, [raw, vm], words, async (mount) => {
      const resize = (...more: string[]) => warmSluice(['resize', mount.point, ...more]);
      const sizes = () => [
        statSync(mount.file('raw')).size / MIB,
        statSync(mount.file('vm')).size / MIB,
      ];
      t.deepEqual(sizes(), [1, 1]);
      t.is((await resize('raw', '2M')).stdout, 'raw: 2097152 bytes, 2 MiB\n');
      t.is((await resize('vm', '3M')).code, 0);
      t.deepEqual(sizes(), [2, 3]);
      t.is(statSync(raw).size, 2 * MIB);
      await must('dd', [
        'if=/dev/urandom',
        `of=${mount.file('vm')}`,
        'bs=1M',
        'seek=2',
        'count=1',
        'conv=notrunc',
      ]);
      await must('truncate', ['-s', '5M', raw]);
      t.deepEqual(sizes(), [2, 3]);
      t.is((await resize('raw')).code, 0);
      t.deepEqual(sizes(), [5, 3]);
      await must('dd', [
        'if=/dev/urandom',
        `of=${mount.file('raw')}`,
        'bs=1M',
        'seek=4',
        'count=1',
        'conv=notrunc',
      ]);
      t.is((await run('cmp', [raw, mount.file('raw')])).code, 0);
      const smaller = await resize('raw', '1M');
      t.is(smaller.stderr, `sluice: resize: ${raw}: has 5242880 bytes already; it only grows\n`);
      t.is(smaller.code, 2);
      t.is((await resize('raw', '5242881')).code, 2);
      await must('mv', [raw, `${raw}.old`]);
      t.regex((await resize('raw')).stderr, /raw.img: was deleted beneath the mount; /);
      await must('cp', [`${raw}.old`, raw]);
      const replaced = await resize('raw', '9M');
      t.regex(replaced.stderr, /raw.img: was replaced by another file beneath the mount; /);
      t.is(replaced.code, 1);
      await must('mv', [`${raw}.old`, raw]);
      t.is((await resize('raw')).code, 0);
      t.is((await warmSluice(['detach', mount.point, 'vm'])).code, 0);
      await must('qemu-img', ['check', '-q', vm]);
      t.is((await warmSluice(['attach', mount.point, vm])).code, 0);
      t.deepEqual(sizes(), [5, 3]);
    });
  });
}
