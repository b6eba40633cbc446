import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { Control } from '../helpers/control.js';
import { fio } from '../helpers/fio.js';
import { untilQueued } from '../helpers/group-files.js';
import { detachLoop, loopDevice } from '../helpers/loop-device.js';
import { listed, writeThrough } from '../helpers/partition-disks.js';
import { makeTable } from '../helpers/partition-tools.js';
import { isAlive } from '../helpers/proc.js';
import { requires } from '../helpers/requires.js';
import { must, run, sluice } from '../helpers/run.js';
import { restarted, type SluiceMount, startMount } from '../helpers/sluice-mount.js';
import { MIB, sparseFile, TMPFS, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';

const restartTest = requires('fuse', 'root', 'io_uring', 'resend', 'qemu');
const loopTest = requires('fuse', 'root', 'io_uring', 'resend', 'loop');
const tableTest = requires('fuse', 'root', 'io_uring', 'resend', 'sfdisk');
const fioTest = requires('fuse', 'root', 'io_uring', 'resend', 'qemu', 'fio');

async function end(t: ExecutionContext, mount: SluiceMount): Promise<void> {
  const ended = await mount.umount();
  t.is(ended.code, 0, ended.stderr);
  await mount.checkGone(t);
}

async function qcow2(folder: string, name: string, size: string): Promise<string> {
  const path = join(folder, name);
  await must('qemu-img', ['create', '-q', '-f', 'qcow2', path, size]);
  return path;
}

restartTest('open files, groups, figures and images go on in a new process', async (t) => {
  const folder = tempFolder(t, TMPFS);
  const raw = sparseFile(join(folder, 'raw.img'), MIB);
  const late = await qcow2(folder, 'late.qcow2', '64M');
  const groups = ['--group', 'slow:bps=50M,per_gb.iops=1000/500', '--assign', 'raw=slow'];
  let mount = await startMount(t, [raw], groups);
  const first = mount;
  await must('qemu-img', ['info', late]);
  t.is((await warmSluice(['attach', mount.point, late])).code, 0);
  t.is((await warmSluice(['set', mount.point, 'gold/deep', 'weight=300', '--create'])).code, 0);
  t.is((await warmSluice(['set', mount.point, 'gold/deep', 'member=late'])).code, 0);
  const file = openSync(mount.file('late'), 'r+');
  const control = openSync(join(mount.point, '.groups', 'slow', 'io.max'), 'r');
  writeSync(file, Buffer.alloc(4096, 7), 0, 4096, MIB);
  const nodes = ['late.raw', 'raw.raw', '.groups/slow', '.groups/gold/deep/io.stat'];
  const numbers = nodes.map((name) => statSync(join(mount.point, name)).ino);
  const files = new Control(mount);
  const stat = await files.read('gold/deep/io.stat');
  const perGb = await files.read('slow/io.per_gb');

  mount = await restarted(t, mount);
  t.not(mount.pid, first.pid);
  t.true(await first.tells(/handed over/));
  t.deepEqual(
    nodes.map((name) => statSync(join(mount.point, name)).ino),
    numbers,
  );
  t.is(fstatSync(file).ino, numbers[0]);
  const bytes = Buffer.alloc(4096);
  readSync(file, bytes, 0, 4096, MIB);
  t.deepEqual(bytes, Buffer.alloc(4096, 7));
  t.regex(readFileSync(control, 'utf8'), /bps=52428800/);
  closeSync(control);
  t.is(await files.read('gold/deep/members'), 'late\n');
  t.is(await files.read('gold/deep/io.weight'), 'default 300\n');
  t.is(await files.read('slow/members'), 'raw\n');
  t.is(await files.read('slow/io.per_gb'), perGb);
  t.regex(perGb, /iops=1000/);
  t.regex(stat, /wbytes=4096/);
  t.regex(await files.read('gold/deep/io.stat'), /wbytes=4096/);

  // The new process takes orders, too, and hands over in its turn.
  writeSync(file, Buffer.alloc(4096, 8), 0, 4096, 2 * MIB);
  mount = await restarted(t, mount);
  readSync(file, bytes, 0, 4096, 2 * MIB);
  t.deepEqual(bytes, Buffer.alloc(4096, 8));
  const busy = await warmSluice(['detach', mount.point, 'late']);
  t.regex(busy.stderr, /late.raw is open/);
  closeSync(file);
  t.is((await warmSluice(['detach', mount.point, 'late'])).code, 0);
  await must('qemu-img', ['check', '-q', late]);
  await end(t, mount);
  t.false(isAlive(first.pid));
});

loopTest('a loop device over a file of the mount is not asked by the new process', async (t) => {
  const raw = sparseFile(join(tempFolder(t), 'raw.img'), MIB);
  let mount = await startMount(t, [raw]);
  const device = await loopDevice(t, mount.file('raw'));
  mount = await restarted(t, mount);
  await must('dd', [`of=${device}`, 'if=/dev/urandom', 'bs=64K', 'count=1', 'conv=fsync']);
  await detachLoop(device);
  await end(t, mount);
});

fioTest('fio reads back what it wrote over restarts, in limited and weighted groups', async (t) => {
  const folder = tempFolder(t, TMPFS);
  const raw = sparseFile(join(folder, 'raw.img'), 64 * MIB);
  const image = await qcow2(folder, 'vm.qcow2', '64M');
  const groups = ['--group', 'slow:bps=30M', '--group', 'heavy:weight=300'];
  const words = [...groups, '--assign', 'raw=slow', '--assign', 'vm=heavy'];
  let mount = await startMount(t, [raw, image], words);
  const options = ['rw=randwrite', 'iodepth=32', 'size=48m', 'bssplit=4k/50:64k/40:256k/10'];
  const verify = ['verify=crc32c', 'verify_fatal=1', 'verify_backlog=64'];
  const loops = ['time_based', 'runtime=4', 'norandommap=0'];
  const jobs = [mount.file('raw'), mount.file('vm')].map((file) =>
    fio(file, ...options, ...verify, ...loops),
  );
  let isDone = false;
  const done = Promise.all(jobs).finally(() => {
    isDone = true;
  });
  for (let restarts = 0; restarts < 3 && !isDone; restarts++) mount = await restarted(t, mount);
  for (const job of await done) t.true(job.write.total_ios > 100);
  await end(t, mount);
  await must('qemu-img', ['check', '-q', image]);
});

restartTest('what waits for its group waits on there, and is not done twice', async (t) => {
  const raw = sparseFile(join(tempFolder(t, TMPFS), 'raw.img'), 4 * MIB);
  const words = ['--group', 'slow:bps=1', '--assign', 'raw=slow'];
  let mount = await startMount(t, [raw], words);
  const file = mount.file('raw');
  const writing = must('dd', ['if=/dev/zero', `of=${file}`, 'bs=64k', 'count=1', 'conv=notrunc']);
  await untilQueued(mount, 'slow', 1);
  mount = await restarted(t, mount);
  await untilQueued(mount, 'slow', 1);
  t.is((await warmSluice(['set', mount.point, 'slow', 'bps=max'])).code, 0);
  await writing;
  const { wbytes, wios } = (await new Control(mount).figures('slow'))!;
  t.deepEqual([wbytes, wios], [65536, 1]);
  await end(t, mount);
});

restartTest('an overlay stays the overlay of its image', async (t) => {
  const folder = tempFolder(t, TMPFS);
  const [one, two] = ['one.img', 'two.img'].map((name) => sparseFile(join(folder, name), MIB));
  const [over, late] = [join(folder, 'over.qcow2'), join(folder, 'late.qcow2')];
  let mount = await startMount(t, [one!], ['--overlay', over]);
  t.is((await warmSluice(['attach', mount.point, two!, '--overlay', late])).code, 0);
  const asked = ['save', mount.point];
  const saved = (await warmSluice(asked)).stdout;
  const file = openSync(mount.file('two'), 'r+');
  writeSync(file, Buffer.alloc(4096, 7), 0, 4096, 0);
  mount = await restarted(t, mount);
  t.is((await warmSluice(asked)).stdout, saved);
  const bytes = Buffer.alloc(4096);
  readSync(file, bytes, 0, 4096, 0);
  t.deepEqual(bytes, Buffer.alloc(4096, 7));
  closeSync(file);
  t.is((await warmSluice(['overlay', 'reset', mount.point, 'two'])).code, 0);
  t.is(readFileSync(mount.file('two'))[0], 0);
  await end(t, mount);
});

restartTest('an umount at the same moment waits for the process that has the mount', async (t) => {
  const raw = sparseFile(join(tempFolder(t, TMPFS), 'raw.img'), MIB);
  for (const pauseMs of [0, 60, 120]) {
    const mount = await startMount(t, [raw]);
    const restarting = sluice(['restart', mount.point]);
    await setTimeout(pauseMs);
    const ended = await warmSluice(['umount', mount.point]);
    t.is(ended.code, 0, ended.stderr);
    await restarting;
    // Nobody has the image any more.
    await must('qemu-io', ['-f', 'raw', '-c', 'write 0 512', raw]);
  }
});

restartTest(
  'other programs never get an image while a mount goes from process to process',
  async (t) => {
    const folder = tempFolder(t, TMPFS);
    const image = await qcow2(folder, 'vm.qcow2', '64M');
    let mount = await startMount(t, [image]);
    let isOver = false;
    const trying = (async () => {
      let refused = 0;
      while (!isOver) {
        const { code, stderr } = await run('qemu-io', ['-c', 'write 0 512', image]);
        if (code === 0) return 'an image was open to others';
        if (/lock/.test(stderr)) refused++;
      }
      return refused > 0 ? null : 'nobody tried';
    })();
    for (let restarts = 0; restarts < 3; restarts++) mount = await restarted(t, mount);
    isOver = true;
    t.is(await trying, null);
    await end(t, mount);
  },
);

tableTest('a group goes on with members that are away: a partition, a process', async (t) => {
  const folder = tempFolder(t, TMPFS);
  const script = 'label: dos\nstart=2048,size=2048\nstart=8192,size=2048\n';
  const image = makeTable(join(folder, 'disk.img'), 32 * MIB, script);
  const own = spawn('sleep', ['1000']);
  t.teardown(() => own.kill('SIGKILL'));
  const groups = ['--group', 'gold:bps=50M', '--assign', 'disk.p2=gold'];
  let mount = await startMount(
    t,
    [image],
    [...groups, '--assign', `pid:${own.pid}=gold`, '--keeper'],
  );
  await writeThrough(mount, 'label: dos\nstart=2048,size=2048\n');
  t.deepEqual(await listed(mount), ['disk.p1.raw', 'disk.raw']);
  own.kill('SIGKILL');
  await once(own, 'exit');
  mount = await restarted(t, mount);
  const control = new Control(mount);
  t.is(await control.read('gold/members'), 'disk.p2\n');
  await writeThrough(mount, script);
  t.deepEqual(await listed(mount), ['disk.p1.raw', 'disk.p2.raw', 'disk.raw']);
  writeFileSync(mount.file('disk.p2'), Buffer.alloc(4096, 1), { flag: 'r+' });
  t.regex(await control.read('gold/io.stat'), /wbytes=4096/);
  await end(t, mount);
});
