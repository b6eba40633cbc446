import { chmodSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { mountTest } from '../helpers/requires.js';
import { must, run } from '../helpers/run.js';
import { withMount } from '../helpers/sluice-mount.js';
import { MIB, patternFile, tempFolder } from '../helpers/temp.js';

const OLD = '2001-02-03 04:05:06.123456789 +0000';

/** The time of the last write, seconds since 1970 with nine digits. */
async function times(path: string): Promise<string> {
  return (await must('stat', ['-c', '%.9Y', path])).trim();
}

mountTest('times of an image are kept, to the nanosecond, and change with writes', async (t) => {
  const image = patternFile(join(tempFolder(t), 'disk.img'), MIB);
  utimesSync(image, 1_500_000_000, 1_500_000_000);
  await withMount(t, [image], [], async ({ point }) => {
    const disk = join(point, 'disk.raw');
    t.is(await times(disk), await times(image));
    // ctime is the time of the change of the inode, not that of the last write.
    t.true(statSync(disk).ctimeMs > statSync(disk).mtimeMs + 1000);
    await must('touch', ['-m', '-d', OLD, disk]);
    t.is(await times(disk), '981173106.123456789');
    t.is(await times(image), '981173106.123456789');
    await must('dd', ['if=/dev/zero', `of=${disk}`, 'bs=4096', 'count=1', 'conv=notrunc']);
    t.true(statSync(disk).mtimeMs > Date.UTC(2026));
    t.is(await times(disk), await times(image));
  });
});

mountTest('what a mount cannot keep of an image file is refused, never ignored', async (t) => {
  const image = patternFile(join(tempFolder(t), 'disk.img'), MIB);
  await withMount(t, [image], [], async ({ point }) => {
    const disk = join(point, 'disk.raw');
    const other = join(point, 'other.raw');
    const refused = /Operation not (permitted|supported)/;
    for (const [command, ...words] of [
      ['chmod', '600', disk],
      ['chown', '1', disk],
      ['mv', disk, other],
      ['rm', '-f', disk],
      ['ln', disk, other],
      ['ln', '-s', disk, other],
      ['mkdir', other],
      ['mkfifo', other],
      ['truncate', '-s', '2M', disk],
    ] as const) {
      const ended = await run(command, words);
      t.not(ended.code, 0, `${command} ${words.join(' ')}`);
      t.regex(ended.stderr, refused, `${command}: ${ended.stderr}`);
    }
    t.is(statSync(disk).mode & 0o777, statSync(image).mode & 0o777);
    t.is(statSync(disk).size, MIB);
  });
});

mountTest('an image file tells tools to read and write 256 KiB at once', async (t) => {
  const image = patternFile(join(tempFolder(t), 'disk.img'), MIB);
  await withMount(t, [image], [], async ({ point }) => {
    t.is(statSync(join(point, 'disk.raw')).blksize, 262_144);
  });
});

/** Calls about extended attributes, and the errno that each is answered with. */
const XATTR = `
import errno, os, sys
path = sys.argv[1]
calls = [
  lambda: os.getxattr(path, 'user.x'),
  lambda: os.setxattr(path, 'user.x', b'1'),
  lambda: os.listxattr(path),
  lambda: os.removexattr(path, 'user.x'),
  lambda: os.getxattr(path, 'security.capability'),
]
for call in calls:
  try: print(call())
  except OSError as error: print(errno.errorcode[error.errno])
`;

for (const transport of ['uring', 'fuse-native'] as const) {
  mountTest(`${transport}: extended attributes, and copies with their attributes`, async (t) => {
    const folder = tempFolder(t);
    const image = patternFile(join(folder, 'disk.img'), MIB);
    const source = patternFile(join(folder, 'source'), MIB, 2);
    await must('touch', ['-m', '-d', OLD, source]);
    chmodSync(source, statSync(image).mode);
    await withMount(t, [image], ['--transport', transport], async (mount) => {
      for (const path of [mount.file(), mount.point, join(mount.point, '.groups', 'io.max')]) {
        const answers = await must('python3', ['-c', XATTR, path]);
        t.is(answers, 'ENOTSUP\n'.repeat(5), path);
      }
      // Mode and owner are those that the file has, so it is no change to set them.
      const same = await run('cp', ['-p', source, mount.file()]);
      await must('cmp', [source, mount.file()]);
      if (transport === 'uring') {
        t.like(same, { code: 0, stderr: '' });
        t.is(await times(mount.file()), '981173106.123456789');
      } else t.regex(same.stderr, /^cp: preserving times for .*: Operation not supported\n$/);
      chmodSync(source, 0o600);
      const other = await run('cp', ['--preserve=mode', source, mount.file()]);
      t.not(other.code, 0);
      t.regex(other.stderr, /preserving permissions for .*: Operation not permitted/);
      t.is(statSync(mount.file()).mode & 0o777, statSync(image).mode & 0o777);
      t.regex((await run('chown', ['1:1', mount.file()])).stderr, /Operation not permitted/);
      t.is((await run('chown', ['0:0', mount.file()])).code, 0);
    });
  });
}
