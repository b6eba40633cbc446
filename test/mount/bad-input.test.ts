import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { OtherUser } from '../helpers/other-user.js';
import { mountsAt } from '../helpers/proc.js';
import { mountTest, requires } from '../helpers/requires.js';
import { type Ended, sluice } from '../helpers/run.js';
import { forceAway, startMount } from '../helpers/sluice-mount.js';
import { KIB, sparseFile, tempFolder } from '../helpers/temp.js';

/** Makes a folder with `disk.img`, `other.img`, `empty.img`, `folder`, `mnt`. */
function makeFolder(t: ExecutionContext): string {
  const folder = tempFolder(t);
  for (const name of ['disk.img', 'other.img']) sparseFile(join(folder, name), 64 * KIB);
  writeFileSync(join(folder, 'empty.img'), '');
  for (const name of ['mnt', 'folder', 'b']) mkdirSync(join(folder, name));
  sparseFile(join(folder, 'b', 'disk.img'), 64 * KIB);
  t.teardown(() => forceAway(join(folder, 'mnt')));
  return folder;
}

/** Checks for one line on stderr, an empty stdout, the exit code, and no mount. */
function checkRefused(t: ExecutionContext, ended: Ended, code: number, says: RegExp): void {
  t.is(ended.code, code, ended.stderr);
  t.regex(ended.stderr, /^sluice: mount: [^\n]+\n$/);
  t.regex(ended.stderr, says);
  t.is(ended.stdout, '');
}

interface Case {
  title: string;
  /** Words after `sluice mount`; `@` stands for the folder. */
  words: string;
  code: number;
  says: RegExp;
}

const CASES: readonly Case[] = [
  { title: 'a missing image', words: '@/none.img @/mnt', code: 1, says: /none\.img/ },
  { title: 'a directory as image', words: '@/folder @/mnt', code: 3, says: /directory/ },
  { title: 'an empty image', words: '@/empty.img @/mnt', code: 3, says: /empty/ },
  { title: 'a missing mount point', words: '@/disk.img @/none', code: 4, says: /none/ },
  { title: 'a file as mount point', words: '@/disk.img @/other.img', code: 4, says: /directory/ },
  {
    title: 'the same image twice',
    words: '@/disk.img two=@/disk.img @/mnt',
    code: 2,
    says: /twice|same image/,
  },
  { title: 'a name clash', words: '@/disk.img @/b/disk.img @/mnt', code: 2, says: /"?disk"?/ },
  {
    title: 'an unknown group',
    words: '@/disk.img @/mnt --assign disk=none',
    code: 2,
    says: /none/,
  },
  {
    title: 'a negative rate',
    words: '@/disk.img @/mnt --group g:iops=-1',
    code: 2,
    says: /iops.*-1/,
  },
  {
    title: 'a rate in words',
    words: '@/disk.img @/mnt --group g:iops=ten',
    code: 2,
    says: /iops.*ten/,
  },
  { title: 'an unknown key', words: '@/disk.img @/mnt --group g:ipos=1', code: 2, says: /ipos/ },
  { title: 'no mount point', words: '@/disk.img', code: 2, says: /mount point/ },
  { title: 'an unknown option', words: '@/disk.img @/mnt --bogus', code: 2, says: /bogus/ },
];

for (const where of [[], ['--foreground']]) {
  for (const { title, words, code, says } of CASES) {
    const how = where.join('') || 'background';
    mountTest(`${title} is refused in one line with code ${code}: ${how}`, async (t) => {
      const folder = makeFolder(t);
      const list = words.replaceAll('@', folder).split(' ');
      const log = ['--log', join(folder, 'log')];
      const ended = await sluice(['mount', ...list, ...log, ...where]);
      checkRefused(t, ended, code, says);
      t.deepEqual(mountsAt(join(folder, 'mnt')), []);
    });
  }
}

mountTest('a busy mount point is refused with code 4, and its mount stays', async (t) => {
  const folder = makeFolder(t);
  const mount = await startMount(t, [join(folder, 'disk.img')]);
  checkRefused(t, await sluice(['mount', join(folder, 'other.img'), mount.point]), 4, /busy/);
  t.is(mountsAt(mount.point).length, 1);
  t.is((await mount.umount()).code, 0);
  await mount.checkGone(t);
});

mountTest('umount of what is no mount is refused in one line', async (t) => {
  const folder = makeFolder(t);
  const ended = await sluice(['umount', join(folder, 'mnt')]);
  t.not(ended.code, 0);
  t.regex(ended.stderr, /^sluice: umount: [^\n]+\n$/);
});

const userTest = requires('fuse', 'root', 'io_uring', 'setpriv');

userTest('without root and fusermount3 mounting is refused with code 4', async (t) => {
  const folder = makeFolder(t);
  const user = new OtherUser(t, [join(folder, 'disk.img'), join(folder, 'mnt')], folder, '/none');
  if (!(await user.canRun())) return;
  const ended = await user.sluice('mount', join(folder, 'disk.img'), join(folder, 'mnt'));
  checkRefused(t, ended, 4, /fusermount3/);
  t.deepEqual(mountsAt(join(folder, 'mnt')), []);
});
