import { closeSync, constants, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { isLocked } from '../../src/sys/ofd-locks.js';
import { ERRNO } from '../../src/util/errno.js';
import { FileAgent } from '../helpers/file-agent.js';
import { loopDevice, mountFileSystem } from '../helpers/loop-device.js';
import { eventually, IN_THE_END_MS, isAlive, mountsAt } from '../helpers/proc.js';
import { mountTest, requires } from '../helpers/requires.js';
import { must, run } from '../helpers/run.js';
import { canSlowDisk, slowDisk } from '../helpers/slow-disk.js';
import { type SluiceMount, startMount, withMount } from '../helpers/sluice-mount.js';
import { KIB, MIB, patternFile, sparseFile, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';

const WORDS = ['--growable', '--passthrough', 'disk'];
const { O_RDONLY, O_RDWR, O_APPEND, O_TRUNC } = constants;
const SEEK_HOLE = 4;
/** Of QEMU's lock bytes the one that says "I write this image". */
const WRITES = 101;

const hasOverlay = /\toverlay$/m.test(readFileSync('/proc/filesystems', 'utf8'));
const overlayTest = hasOverlay ? mountTest : mountTest.skip;
const loopTest = requires('fuse', 'root', 'io_uring', 'loop', 'e2fsprogs');

mountTest('what the kernel writes by itself shows at once, and in no figure', async (t) => {
  const image = sparseFile(join(tempFolder(t), 'disk.img'), MIB);
  const words = [...WORDS, '--group', 'g:bps=1'];
  await withMount(t, [image], words, async (mount) => {
    const agent = new FileAgent(t);
    const file = mount.file();
    const fd = await agent.open(file, O_RDWR | O_APPEND);
    t.is(await agent.write(fd, 0, Buffer.from('one more')), 8);
    t.is(readFileSync(image).subarray(MIB).toString(), 'one more');
    t.regex(
      await must('cat', [join(mount.point, '.groups', 'images')]),
      /^disk .*size=1048584 .*passthrough=1/m,
    );
    t.is(await agent.size(file), MIB + 8);
    t.is(await agent.result({ call: 'lseek', fd, offset: MIB, whence: SEEK_HOLE }), MIB + 8);
    const { stdout } = await warmSluice(['stat', mount.point]);
    t.true(stdout.endsWith('\nPassed through, neither counted nor limited: disk\n'), stdout);
    await must('truncate', ['-s', '5000', image]);
    t.is(await agent.size(file), 5000, 'cut behind the mount');
    await agent.close(await agent.open(file, O_RDWR | O_TRUNC));
    t.is(readFileSync(image).length, 0);
    await agent.close(fd);
    const stat = await must('cat', [join(mount.point, '.groups', 'io.stat')]);
    t.regex(stat, /^total rbytes=0 wbytes=0 rios=0 wios=0 dbytes=0 dios=0 /m);
    t.false(stat.includes('disk '), 'it is no member');
  });
});

mountTest(
  'a group cannot have an image that is passed through, nor can / promise anything',
  async (t) => {
    const image = sparseFile(join(tempFolder(t), 'disk.img'), MIB);
    await withMount(t, [image], [...WORDS, '--group', 'g'], async (mount) => {
      const agent = new FileAgent(t);
      for (const [path, text] of [
        ['g/members', 'disk'],
        ['members', 'disk'],
        ['io.max', 'bps=10M'],
        ['io.latency', 'target=2ms'],
      ] as const) {
        const fd = await agent.open(join(mount.point, '.groups', path), constants.O_WRONLY);
        t.is(await agent.write(fd, 0, Buffer.from(text)), -ERRNO.EBUSY, path);
        await agent.close(fd);
      }
      const set = await warmSluice(['set', mount.point, 'g', 'member=disk']);
      t.is(set.code, 1);
      t.regex(set.stderr, /^sluice: set: g: disk: passed through: the kernel carries out .*\n$/);
      t.is((await warmSluice(['set', mount.point, 'g', 'bps=10M', 'member=uid:1000'])).code, 0);
    });
  },
);

mountTest('what the kernel cannot serve is refused at the mount', async (t) => {
  const folder = tempFolder(t);
  const odd = sparseFile(join(folder, 'disk.img'), 1000);
  const point = join(folder, 'mnt');
  mkdirSync(point);
  const refused = async (says: RegExp, code: number, ...words: string[]): Promise<void> => {
    const ended = await warmSluice(['mount', `disk=${odd}`, point, ...words]);
    t.regex(ended.stderr, says);
    t.is(ended.code, code);
    t.deepEqual(mountsAt(point), []);
  };
  await refused(/its size, 1000 bytes, is no multiple of 512/, 3, ...WORDS);
  await refused(/add --growable\n$/, 2, '--passthrough', 'disk');
  await must('truncate', ['-s', '1M', odd]);
  const limited = /--group \/: no limit, minimum or target of \/ holds for disk/;
  await refused(limited, 2, ...WORDS, '--group', '/:bps=1M');
  await refused(/fuse-native does not know passthrough/, 2, ...WORDS, '--transport', 'fuse-native');
});

mountTest(
  'a file that the kernel refuses is refused at the mount, and nothing stays',
  async (t) => {
    const image = sparseFile(join(tempFolder(t), 'disk.img'), MIB);
    const point = join(tempFolder(t), 'mnt');
    mkdirSync(point);
    const mount = await startMount(t, [image], WORDS);
    // Linux passes no file through that is passed through already: that would be three file systems.
    const ended = await warmSluice(['mount', mount.file(), point, ...WORDS]);
    t.is(ended.code, 3);
    const says =
      'disk: the kernel does not pass its file through (ELOOP): it lies on too many file systems';
    t.is(ended.stderr, `sluice: mount: ${says} on each other\n`);
    t.deepEqual(mountsAt(point), []);
    // The ring of the refused daemon holds the file for some ms longer than its process lives.
    let code = 1;
    for (let tries = 0; code !== 0 && tries < 100; tries++) code = (await mount.umount()).code ?? 1;
    t.is(code, 0);
    await mount.checkGone(t);
  },
);

overlayTest('a file on overlayfs is passed through', async (t) => {
  const base = tempFolder(t);
  const [lower, upper, work, merged] = ['lower', 'upper', 'work', 'merged'].map((name) => {
    const folder = join(base, name);
    mkdirSync(folder);
    return folder;
  }) as [string, string, string, string];
  patternFile(join(lower, 'disk.img'), MIB);
  const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  await mountFileSystem(t, ['-t', 'overlay', 'overlay', '-o', options], merged);
  await withMount(t, [join(merged, 'disk.img')], WORDS, async (mount) => {
    const agent = new FileAgent(t);
    const fd = await agent.open(mount.file(), O_RDWR);
    t.is(await agent.write(fd, 5, Buffer.from('upper')), 5);
    t.is(readFileSync(join(upper, 'disk.img')).subarray(5, 10).toString(), 'upper');
    await agent.close(fd);
  });
});

/** A file system of its own for an image: it can be unmounted when nobody has any of its files open. */
async function ownFileSystem(
  t: ExecutionContext,
): Promise<{ folder: string; image: string; device: string }> {
  const base = tempFolder(t);
  const folder = join(base, 'fs');
  mkdirSync(folder);
  const device = await loopDevice(t, sparseFile(join(base, 'fs.img'), 16 * MIB));
  await must('mkfs.ext4', ['-q', device]);
  await mountFileSystem(t, [device], folder);
  return { folder, device, image: patternFile(join(folder, 'disk.img'), MIB) };
}

function isHeld(image: string): boolean {
  const fd = openSync(image, O_RDONLY);
  const held = isLocked(fd, WRITES, 1);
  closeSync(fd);
  return held;
}

/** Fails unless neither a descriptor nor an ID of the kernel keeps a file of the file system open. */
async function checkFree(t: ExecutionContext, folder: string): Promise<void> {
  // A process that has ended may still be giving its files back.
  const end = performance.now() + IN_THE_END_MS;
  while ((await run('umount', [folder])).code !== 0) {
    if (performance.now() > end) return t.fail('the file system is still in use');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Ends a mount of which a program has the file open. */
const ENDS: readonly (readonly [string, (mount: SluiceMount) => Promise<unknown>])[] = [
  ['sluice umount --force', (mount) => mount.umount('--force')],
  ['SIGTERM', async (mount) => process.kill(mount.pid, 'SIGTERM')],
  ['SIGQUIT', async (mount) => process.kill(mount.pid, 'SIGQUIT')],
  ['SIGKILL', async (mount) => process.kill(mount.pid, 'SIGKILL')],
];

for (const [what, end] of ENDS) {
  loopTest(
    `after ${what} a program goes on with its file, which stays locked until it is closed`,
    async (t) => {
      const { folder, image } = await ownFileSystem(t);
      const mount = await startMount(t, [image], WORDS);
      const agent = new FileAgent(t);
      const fd = await agent.open(mount.file(), O_RDWR);
      t.is(await agent.write(fd, 0, Buffer.from('before')), 6);
      t.true(isHeld(image));
      await end(mount);
      t.true(await eventually(() => !isAlive(mount.pid)));
      t.is(await agent.write(fd, 100, Buffer.from('after')), 5);
      t.is((await agent.read(fd, 0, 6)).bytes.toString(), 'before');
      // Nobody says that it is safe.
      const synced = await agent.result({ call: 'fsync', fd });
      t.true([-ERRNO.ECONNABORTED, -ERRNO.ENOTCONN].includes(synced), `${synced}`);
      t.is(readFileSync(image).subarray(100, 105).toString(), 'after');
      if (what === 'SIGKILL') t.is((await mount.umount()).code, 0);
      t.true(isHeld(image));
      t.is((await run('umount', [folder])).code, 32, 'in use');
      await agent.close(fd);
      t.true(await eventually(() => !isHeld(image)));

      await mount.checkGone(t, /: in use; .* who has disk open goes on|aborted before everything/);
    },
  );
}

loopTest('umount is refused while a program has the file open, and leaves nothing', async (t) => {
  const { folder, image } = await ownFileSystem(t);
  const mount = await startMount(t, [image], WORDS);
  const agent = new FileAgent(t);
  const fd = await agent.open(mount.file(), O_RDONLY);
  const refused = await mount.umount();
  t.is(refused.code, 1);
  t.regex(refused.stderr, /: in use by /);
  await agent.close(fd);
  t.is((await mount.umount()).code, 0);
  await mount.checkGone(t);
  t.false(isHeld(image));
  await checkFree(t, folder);
});

loopTest(
  'a mount that has ended keeps no file, though a program still has one of its folders',
  async (t) => {
    const { folder, image } = await ownFileSystem(t);
    const mount = await startMount(t, [image], WORDS);
    const agent = new FileAgent(t);
    const fd = await agent.open(join(mount.point, '.groups'), O_RDONLY | constants.O_DIRECTORY);
    process.kill(mount.pid, 'SIGTERM');
    t.true(await eventually(() => !isAlive(mount.pid)));
    t.false(isHeld(image));
    await checkFree(t, folder);
    await agent.close(fd);
    await mount.checkGone(t, /: in use; /);
  },
);

const blkioTest = canSlowDisk ? loopTest : loopTest.skip;

blkioTest(
  'the limits of the caller’s cgroup hold for an image that is passed through',
  async (t) => {
    const { image } = await ownFileSystem(t);
    const other = patternFile(join(image, '..', 'other.img'), MIB);
    await withMount(t, [image, other], WORDS, async (mount) => {
      const agent = new FileAgent(t);
      const served = slowDisk(t, agent.pid, image, 50);
      const write25 = async (name: string): Promise<number> => {
        const fd = await agent.open(mount.file(name), O_RDWR | constants.O_DIRECT);
        const begin = performance.now();
        for (let i = 0; i < 25; i++) {
          const offset = i * 4 * KIB;
          t.is(await agent.write(fd, offset, Buffer.alloc(4 * KIB, 'x')), 4 * KIB);
        }
        await agent.close(fd);
        return performance.now() - begin;
      };
      // The kernel counts in slices of 100 ms and lets a begun slice pass at once: 500 ms may become 300.
      // Without a limit it is 5 ms.
      const took = await write25('disk');
      t.true(took > 200, `50 a second: ${took} ms`);
      const counted = served();
      t.true(counted >= 25);
      await write25('other');
      t.is(served(), counted, 'here the kernel sees the daemon alone');
      // Its cgroup can be removed when it has ended.
      process.kill(agent.pid, 'SIGKILL');
    });
  },
);
