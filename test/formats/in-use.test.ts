import { spawn } from 'node:child_process';
import { closeSync, constants, mkdirSync, openSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { loopDevice, mountFileSystem } from '../helpers/loop-device.js';
import { eventually } from '../helpers/proc.js';
import { requires } from '../helpers/requires.js';
import { must, run } from '../helpers/run.js';
import { startMount, withMount } from '../helpers/sluice-mount.js';
import { sparseFile, TMPFS, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';

const MIB = 1 << 20;

const deviceTest = requires('fuse', 'root', 'io_uring', 'loop', 'e2fsprogs');
const lockTest = requires('fuse', 'root', 'io_uring');

interface Place {
  folder: string;
  image: string;
  point: string;
}

function makePlace(t: ExecutionContext): Place {
  const folder = tempFolder(t, TMPFS);
  for (const name of ['m', 's']) mkdirSync(`${folder}/${name}`);
  return { folder, image: sparseFile(`${folder}/disk.img`, 8 * MIB), point: `${folder}/s` };
}

deviceTest('a device that is mounted is not written; read-only is said', async (t) => {
  const { folder, image, point } = makePlace(t);
  const device = await loopDevice(t, image);
  await must('mkfs.ext4', ['-q', device]);
  await mountFileSystem(t, [device], `${folder}/m`);
  const refused = await warmSluice(['mount', `disk=${device}`, point]);
  t.is(refused.code, 3);
  t.is(
    refused.stderr,
    `sluice: mount: ${device}: mounted at ${folder}/m; end that, or use --read-only\n`,
  );
  const mounted = await warmSluice(['mount', `disk=${device}`, point, '--read-only']);
  t.is(mounted.code, 0, mounted.stderr);
  t.is((await warmSluice(['umount', point])).code, 0);
  t.is(
    mounted.stderr,
    `sluice: mount: ${device}: mounted at ${folder}/m: what is read may change at any time\n`,
  );
  t.is((await warmSluice(['info', device])).code, 0);
  t.is((await warmSluice(['map', device])).code, 0);
});

deviceTest('a device whose partition is mounted is not written', async (t) => {
  const { folder, image, point } = makePlace(t);
  const device = await loopDevice(t, image);
  await must('addpart', [device, '1', '2048', '8192']);
  t.teardown(async () => {
    await run('delpart', [device, '1']);
  });
  await must('mkfs.ext4', ['-q', `${device}p1`]);
  await mountFileSystem(t, [`${device}p1`], `${folder}/m`);
  const refused = await warmSluice(['mount', `disk=${device}`, point]);
  t.is(refused.code, 3);
  t.true(refused.stderr.includes(`${device}: mounted at ${folder}/m;`), refused.stderr);
});

deviceTest('a device that is swap space is not written', async (t) => {
  const { image, point } = makePlace(t);
  const device = await loopDevice(t, image);
  await must('mkswap', [device]);
  if ((await run('swapon', [device])).code !== 0) {
    t.log('skipped: no swap space here');
    t.pass();
    return;
  }
  const refused = await warmSluice(['mount', `disk=${device}`, point]);
  await must('swapoff', [device]);
  t.is(refused.code, 3);
  t.true(refused.stderr.includes(`${device}: in use as swap space;`), refused.stderr);
});

deviceTest('while a device is written nobody else can mount it, or write it', async (t) => {
  const { folder, image, point } = makePlace(t);
  const device = await loopDevice(t, image);
  await must('mkfs.ext4', ['-q', device]);
  await withMount(t, [`disk=${device}`], [], async (mount) => {
    const ended = await run('mount', [device, `${folder}/m`]);
    t.not(ended.code, 0);
    // A second device node has locks of its own.
    const [, major, minor] = /^([0-9a-f]+):([0-9a-f]+)$/.exec(
      (await must('stat', ['-c', '%t:%T', device])).trim(),
    )!;
    const numbers = [major, minor].map((hex) => String(Number.parseInt(hex!, 16)));
    await must('mknod', [`${folder}/node`, 'b', ...numbers]);
    for (const path of [device, `${folder}/node`]) {
      const refused = await warmSluice(['mount', `disk=${path}`, point]);
      t.is(refused.code, 3);
      t.true(refused.stderr.includes(`by sluice (pid ${mount.pid})`), refused.stderr);
    }
  });
  // The kernel closes what a ring holds some time after its process.
  t.true(await eventually(() => canBeHeld(device)));
  await mountFileSystem(t, [device], `${folder}/m`);
});

/** Whether nobody holds a device alone. */
function canBeHeld(device: string): boolean {
  try {
    closeSync(openSync(device, constants.O_RDWR | constants.O_EXCL));
    return true;
  } catch {
    return false;
  }
}

deviceTest('a file that a loop device writes is not written', async (t) => {
  const { folder, image, point } = makePlace(t);
  await must('mkfs.ext4', ['-q', image]);
  const device = await loopDevice(t, image);
  const attached = await warmSluice(['mount', image, point]);
  t.is(attached.code, 3);
  t.true(attached.stderr.includes(`in use by ${device}: losetup -d ${device} frees it`));
  await mountFileSystem(t, [device], `${folder}/m`);
  const refused = await warmSluice(['mount', image, point]);
  t.is(refused.code, 3);
  t.true(refused.stderr.includes(`in use by ${device}: mounted at ${folder}/m;`), refused.stderr);
  const mount = await startMount(t, [image], ['--read-only']);
  t.regex(mount.log, new RegExp(`in use by ${device}: mounted at .*: what is read may change`));
  t.is((await mount.umount()).code, 0);
});

/** Holds a lock of fcntl(2) on a file, until the test ends. */
async function holdLock(t: ExecutionContext, file: string, kind: string): Promise<number> {
  const script = `import fcntl, struct, sys, time
kind, path = sys.argv[1:]
f = open(path, 'r+b')
if kind == 'posix': fcntl.lockf(f, fcntl.LOCK_EX)
if kind == 'part': fcntl.lockf(f, fcntl.LOCK_EX, 512, 0)
if kind == 'ofd': fcntl.fcntl(f, 37, struct.pack('hhqqi', fcntl.F_WRLCK, 0, 0, 0, 0))
if kind == 'shared': fcntl.lockf(f, fcntl.LOCK_SH, 50, 0)
if kind == 'flock': fcntl.flock(f, fcntl.LOCK_EX)
print('locked', flush=True)
time.sleep(60)`;
  const child = spawn('python3', ['-c', script, kind, file], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.teardown(() => child.kill('SIGKILL'));
  await new Promise((resolve, reject) => {
    child.stdout.once('data', resolve);
    child.once('error', reject);
    child.once('exit', () => reject(new Error('the lock cannot be taken')));
  });
  return child.pid!;
}

for (const kind of ['posix', 'part', 'ofd']) {
  lockTest(`an image that another program locks is refused: ${kind}`, async (t) => {
    const { image, point } = makePlace(t);
    const pid = await holdLock(t, image, kind);
    for (const words of [[], ['--read-only']]) {
      const refused = await warmSluice(['mount', image, point, ...words]);
      t.is(refused.code, 3);
      t.is(
        refused.stderr,
        `sluice: mount: ${image}: locked by python3 (pid ${pid}); end that, or wait for it\n`,
      );
    }
  });
}

lockTest('a shared lock forbids writing, not reading', async (t) => {
  const { image, point } = makePlace(t);
  const pid = await holdLock(t, image, 'shared');
  const refused = await warmSluice(['mount', image, point]);
  t.is(refused.code, 3);
  t.true(refused.stderr.includes(`python3 (pid ${pid}), which lets nobody write it`));
  const mount = await startMount(t, [image], ['--read-only']);
  t.is((await mount.umount()).code, 0);
});

lockTest('a lock of flock(2) is between scripts and does not count', async (t) => {
  const { image } = makePlace(t);
  await holdLock(t, image, 'flock');
  const mount = await startMount(t, [image], []);
  t.is((await mount.umount()).code, 0);
});
