import { statSync, utimesSync } from 'node:fs';
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
