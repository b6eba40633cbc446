import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { MEMORY_BYTES, SLOT_BYTES } from '../../src/buffers/memory.js';
import { SnapshotFile } from '../../src/plane/snapshot-file.js';
import type { Kept } from '../../src/server/keeper.js';
import type { ListedMount } from '../../src/server/list-mounts.js';
import { Control } from '../helpers/control.js';
import { fio } from '../helpers/fio.js';
import { checkFree, checkNothingLeft, keeperOf, keepersOf } from '../helpers/keepers.js';
import { eventually, isAlive, mountsAt, processesOf } from '../helpers/proc.js';
import { requires } from '../helpers/requires.js';
import { must } from '../helpers/run.js';
import { killed, restarted, type SluiceMount, startMount } from '../helpers/sluice-mount.js';
import { MIB, sparseFile, TMPFS, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';

const keeperTest = requires('fuse', 'root', 'io_uring', 'resend', 'qemu');
const fioTest = requires('fuse', 'root', 'io_uring', 'resend', 'qemu', 'fio');

const DEATHS = / has died$| has ended before it served$| did not come to serve; /;

/** The mount is there still, and dead: nothing can be written beneath it until somebody removes it. */
async function checkDead(t: ExecutionContext, mount: SluiceMount, raw: string): Promise<void> {
  t.true(await eventually(() => processesOf(mount.point).length === 0), 'processes');
  await checkFree(raw);
  t.is(mountsAt(mount.point).length, 1);
  t.throws(() => statSync(mount.point), { code: 'ENOTCONN' });
  t.throws(() => writeFileSync(mount.file('new'), 'lost'), { code: 'ENOTCONN' });
  const listed = JSON.parse((await warmSluice(['list', '--json'])).stdout) as ListedMount[];
  t.is(listed.find(({ mountpoint }) => mountpoint === mount.point)?.state, 'dead');
  const over = await warmSluice(['mount', raw, mount.point]);
  t.is(over.code, 4);
  t.is(
    over.stderr,
    `sluice: mount: ${mount.point}: busy: sluice is mounted there; first: sluice umount ${mount.point}\n`,
  );
  const removed = await warmSluice(['umount', mount.point]);
  t.is(removed.code, 0);
  t.regex(removed.stderr, /its daemon was gone; the dead mount has been removed/);
  t.deepEqual(mountsAt(mount.point), []);
  t.deepEqual(readdirSync(mount.point), []);
}

async function end(t: ExecutionContext, mount: SluiceMount, raw: string): Promise<void> {
  await mount.checkDescriptors(t);
  const ended = await mount.umount();
  t.is(ended.code, 0, ended.stderr);
  await mount.checkGone(t, DEATHS);
  await checkNothingLeft(t, mount, raw);
}

/** Resident bytes of the data plane's memory, the one writable mapping of its size. */
function residentBytes(pid: number): number {
  const maps = readFileSync(`/proc/${pid}/smaps`, 'utf8').split(/\n(?=[0-9a-f]+-)/);
  const kib = (map: string, name: string): number =>
    Number(new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(map)?.[1]);
  const large = maps.filter((map) => / rw-p /.test(map) && kib(map, 'Size') * 1024 >= MEMORY_BYTES);
  return kib(large[0]!, 'Rss') * 1024;
}

fioTest('fio reads back what it wrote while the daemon is killed again and again', async (t) => {
  const raw = sparseFile(join(tempFolder(t, TMPFS), 'raw.img'), 64 * MIB);
  const groups = ['--group', 'slow:bps=30M', '--assign', 'raw=slow'];
  let mount = await startMount(t, [raw], ['--keeper', ...groups]);
  const options = ['rw=randrw', 'iodepth=32', 'size=48m', 'bssplit=4k/50:64k/40:256k/10'];
  const verify = ['verify=crc32c', 'verify_fatal=1', 'verify_backlog=64'];
  const job = fio(mount.file('raw'), ...options, ...verify, 'time_based', 'runtime=4');
  const dead: number[] = [];
  for (let kills = 0; kills < 3; kills++) {
    await setTimeout(100);
    dead.push(mount.pid);
    mount = await killed(t, mount);
  }
  const told = [...mount.log.matchAll(/: pid (\d+) has died/g)].map(([, pid]) => Number(pid));
  t.deepEqual(told, dead);
  t.true((await job).write.total_ios > 100);
  t.regex(readFileSync(`/proc/${keeperOf(mount)}/status`, 'utf8'), /VmRSS:\s+\d{1,4} kB/);
  await end(t, mount, raw);
});

/** A disk of 256 MiB, which is allocated while it is written, and words to mount it with. */
const ALLOCATING: Record<string, (folder: string) => Promise<[path: string, words: string[]]>> = {
  'a qcow2 image': async (folder) => {
    const path = join(folder, 'vm.qcow2');
    await must('qemu-img', ['create', '-q', '-f', 'qcow2', '-o', 'cluster_size=4k', path, '256M']);
    return [path, []];
  },
  'an overlay': async (folder) => {
    const path = join(folder, 'over.qcow2');
    return [path, ['--overlay', path]];
  },
};

for (const [what, make] of Object.entries(ALLOCATING)) {
  fioTest(`a daemon that is killed again and again loses nothing of ${what}`, async (t) => {
    const folder = tempFolder(t, TMPFS);
    const [path, words] = await make(folder);
    const image = words.length === 0 ? path : sparseFile(join(folder, 'vm.img'), 256 * MIB);
    let mount = await startMount(t, [image], ['--keeper', ...words]);
    const options = ['rw=randrw', 'iodepth=32', 'size=240m', 'bssplit=4k/80:16k/20'];
    const verify = ['verify=crc32c', 'verify_fatal=1', 'verify_backlog=64'];
    const job = fio(mount.file('vm'), ...options, ...verify, 'time_based', 'runtime=4');
    let isDone = false;
    const done = (): void => {
      isDone = true;
    };
    job.then(done, done);
    let kills = 0;
    // On a busy machine fio has ended before the third one.
    for (; kills < 3; kills++) {
      const { size } = statSync(path);
      t.true(await eventually(() => isDone || statSync(path).size > size));
      if (isDone) break;
      mount = await killed(t, mount);
    }
    t.true(kills > 0);
    t.true((await job).write.total_ios > 100);
    t.regex(mount.log, /: \d+ changes of its tables are made again/);
    t.is((await mount.umount()).code, 0);
    await mount.checkGone(t, DEATHS);
    // Not one cluster is lost either.
    await must('qemu-img', ['check', '-q', path]);
  });
}

keeperTest(
  'open files, groups, figures and images that came and went are as they were',
  async (t) => {
    const folder = tempFolder(t, TMPFS);
    const raw = sparseFile(join(folder, 'raw.img'), MIB);
    const late = sparseFile(join(folder, 'late.img'), MIB);
    const only = join(folder, 'only.qcow2');
    const written = join(folder, 'written.vhd');
    await must('qemu-img', ['create', '-q', '-f', 'qcow2', only, '1M']);
    await must('qemu-img', ['create', '-q', '-f', 'vpc', '-o', 'subformat=fixed', written, '1M']);
    let mount = await startMount(t, [raw], ['--keeper', '--group', 'slow:bps=50M']);
    t.true(residentBytes(mount.pid) >= SLOT_BYTES);
    const attach = ['attach', mount.point];
    t.is((await warmSluice([...attach, late])).code, 0);
    t.is((await warmSluice([...attach, only, '--read-only'])).code, 0);
    const refused = await warmSluice([...attach, written]);
    t.is(refused.code, 2);
    t.regex(
      refused.stderr,
      /^sluice: attach: --keeper: .*written.vhd is vhd and written, so [^\n]+\n$/,
    );
    await must('qemu-io', ['-f', 'vpc', '-c', 'write 0 512', written]);
    t.is((await warmSluice(['set', mount.point, 'gold/deep', 'weight=300', '--create'])).code, 0);
    t.is((await warmSluice(['set', mount.point, 'gold/deep', 'member=late'])).code, 0);
    const file = openSync(mount.file('late'), 'r+');
    const control = openSync(join(mount.point, '.groups', 'slow', 'io.max'), 'r');
    writeSync(file, Buffer.alloc(4096, 7), 0, 4096, 8192);
    const { ino } = statSync(mount.file('late'));
    const files = new Control(mount);
    // The state with these figures has been kept once the next request has come half a second later, at the latest.
    await setTimeout(600);
    const stat = await files.read('gold/deep/io.stat');
    await setTimeout(600);
    await files.read('gold/deep/io.stat');

    mount = await killed(t, mount);
    t.true(residentBytes(mount.pid) >= SLOT_BYTES);
    t.is(statSync(mount.file('late')).ino, ino);
    const bytes = Buffer.alloc(4096);
    readSync(file, bytes, 0, 4096, 8192);
    t.deepEqual(bytes, Buffer.alloc(4096, 7));
    t.regex(readFileSync(control, 'utf8'), /bps=52428800/);
    closeSync(control);
    t.is(await files.read('gold/deep/members'), 'late\n');
    t.is(await files.read('gold/deep/io.weight'), 'default 300\n');
    t.regex(stat, /wbytes=4096/);
    t.regex(await files.read('gold/deep/io.stat'), /wbytes=4096/);
    t.regex((await warmSluice(['detach', mount.point, 'late'])).stderr, /late.raw is open/);
    closeSync(file);
    t.is((await warmSluice(['detach', mount.point, 'late'])).code, 0);

    mount = await killed(t, mount);
    t.throws(() => statSync(mount.file('late')), { code: 'ENOENT' });
    t.is(statSync(mount.file('only')).size, MIB);
    // Who has nothing to do with the mount any more can have it.
    await must('qemu-io', ['-f', 'raw', '-c', 'write 0 512', late]);
    await end(t, mount, raw);
  },
);

keeperTest('the sixth death in a minute leaves a dead mount', async (t) => {
  const raw = sparseFile(join(tempFolder(t, TMPFS), 'raw.img'), MIB);
  let mount = await startMount(t, [raw], ['--keeper']);
  const file = openSync(mount.file('raw'), 'r');
  for (let kills = 0; kills < 5; kills++) mount = await killed(t, mount);
  process.kill(mount.pid, 'SIGKILL');
  // One that waited when the end came is ECONNABORTED.
  t.throws(() => readSync(file, Buffer.alloc(512)), { message: /ENOTCONN|ECONNABORTED/ });
  t.throws(() => closeSync(file), { code: 'ENOTCONN' });
  const left = `the mount is dead: sluice umount ${mount.point} removes it`;
  t.true(
    await mount.tells(new RegExp(`error: .*its daemon has died 6 times in a minute; ${left}`)),
  );
  await checkDead(t, mount, raw);
});

keeperTest('an umount at the same moment ends the mount, and leaves nothing', async (t) => {
  const raw = sparseFile(join(tempFolder(t, TMPFS), 'raw.img'), MIB);
  for (const [pauseMs, program] of [
    [0, 'sluice'],
    [150, 'sluice'],
    [0, 'umount'],
    [300, 'umount'],
  ] as const) {
    const mount = await startMount(t, [raw], ['--keeper']);
    process.kill(mount.pid, 'SIGKILL');
    await setTimeout(pauseMs);
    if (program === 'umount') await must('umount', ['-i', '-c', mount.point]);
    else {
      const ended = await warmSluice(['umount', mount.point]);
      t.is(ended.code, 0, ended.stderr);
    }
    await checkNothingLeft(t, mount, raw);
  }
});

keeperTest('a daemon of a version that does not know the state leaves a dead mount', async (t) => {
  const raw = sparseFile(join(tempFolder(t, TMPFS), 'raw.img'), MIB);
  const mount = await startMount(t, [raw], ['--keeper']);
  const memory = openSync(`/proc/${keeperOf(mount)}/fd/4`, 'r+');
  const file = new SnapshotFile(memory);
  file.write({ ...(file.read() as Kept), version: 99 });
  closeSync(memory);
  process.kill(mount.pid, 'SIGKILL');
  t.true(
    await mount.tells(
      /error: .*its daemon has state 99, and the daemon that is installed knows state \d+; the mount is dead/,
    ),
  );
  await checkDead(t, mount, raw);
});

keeperTest('a restart takes the keeper along', async (t) => {
  const raw = sparseFile(join(tempFolder(t, TMPFS), 'raw.img'), MIB);
  const first = await startMount(t, [raw], ['--keeper']);
  let mount = await restarted(t, first);
  t.true(await eventually(() => !isAlive(first.pid)));
  mount = await killed(t, mount);
  await end(t, mount, raw);
});

/** What `sluice list` says of the keeper. */
async function keeperListed(mount: SluiceMount): Promise<string | null | undefined> {
  const listed = JSON.parse((await warmSluice(['list', '--json'])).stdout) as ListedMount[];
  return listed.find(({ mountpoint }) => mountpoint === mount.point)?.keeper;
}

keeperTest(
  'a keeper that ends is followed by another one, at most five times a minute',
  async (t) => {
    const raw = sparseFile(join(tempFolder(t, TMPFS), 'raw.img'), MIB);
    let mount = await startMount(t, [raw], ['--keeper']);
    const newKeeper = async (): Promise<void> => {
      const old = keeperOf(mount);
      process.kill(old, 'SIGKILL');
      t.true(await eventually(() => keepersOf(mount).some((pid) => pid !== old)));
    };
    await newKeeper();
    t.is(await keeperListed(mount), 'yes');
    // One that another daemon has started.
    mount = await killed(t, mount);
    await newKeeper();
    mount = await killed(t, mount);
    for (let losses = 0; losses < 5; losses++) await newKeeper();
    process.kill(keeperOf(mount), 'SIGKILL');
    t.true(
      await mount.tells(/error: the keeper has ended again and again: the mount ends with this/),
    );
    t.is(await keeperListed(mount), 'lost');
    t.is((await mount.umount()).code, 0);
    await mount.checkGone(t, /has died$|the keeper has ended/);
    await checkNothingLeft(t, mount, raw);
  },
);
