import { readFileSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { mountTest, requires } from '../helpers/requires.js';
import { must, run } from '../helpers/run.js';
import { type SluiceMount, withMount } from '../helpers/sluice-mount.js';
import { MIB, patternFile, sparseFile, TMPFS, tempFolder } from '../helpers/temp.js';
import { warmExerciser } from '../helpers/warm.js';

// Reads of a file in memory are answered from the pages of the file itself.

const ringTest = requires('fuse', 'io_uring');
const LENGTH = ['--ops', '2500', '--seed', '2'];

for (const [title, mountWords, exercise] of [
  ['fixed', [], ['--fixed', ...LENGTH]],
  ['growable', ['--growable'], ['--growable', ...LENGTH]],
  ['eight at a time', [], ['--fixed', '--concurrent', '8', '--ops', '1600']],
] as const) {
  mountTest(`the exerciser finds no difference in a file in memory: ${title}`, async (t) => {
    const folder = tempFolder(t, TMPFS);
    const image = sparseFile(join(folder, 'disk.img'), 8 * MIB);
    const model = join(folder, 'model');
    await withMount(t, [image], mountWords, async (mount) => {
      const words = [mount.file(), '--direct-align', '1', '--size-unit', '512'];
      words.push('--host', image, '--save-model', model, ...exercise);
      const ended = await warmExerciser(words);
      t.is(ended.code, 0, ended.stdout + ended.stderr);
    });
    await must('cmp', ['-n', String(8 * MIB), image, model]);
  });
}

mountTest('to read a file in memory fills none of its holes', async (t) => {
  const image = sparseFile(join(tempFolder(t, TMPFS), 'disk.img'), 32 * MIB);
  await must('dd', [
    'if=/dev/urandom',
    `of=${image}`,
    'bs=1M',
    'seek=9',
    'count=2',
    'conv=notrunc',
  ]);
  const before = statSync(image).blocks;
  await withMount(t, [image], [], async (mount) => {
    await must('cmp', [image, mount.file()]);
    await must('cmp', [image, mount.file()]);
    t.is(statSync(image).blocks, before);
    await must('fallocate', ['-p', '-o', '9M', '-l', '1M', mount.file()]);
    await must('cmp', [image, mount.file()]);
    t.is(statSync(image).blocks, before - MIB / 512);
  });
});

ringTest('where another program has cut a file in memory, one reader gets EIO', async (t) => {
  const image = patternFile(join(tempFolder(t, TMPFS), 'disk.img'), 4 * MIB);
  const told = /an image has become shorter while it was read; its reader gets EIO/;
  const use = async (mount: SluiceMount): Promise<void> => {
    await must('cmp', [image, mount.file()]);
    truncateSync(image, MIB);
    const behind = ['-c', `dd if=${mount.file()} bs=4096 skip=512 count=1 iflag=direct | md5sum`];
    const first = await run('bash', behind);
    t.regex(first.stderr, /Input\/output error/);
    t.true(await mount.tells(told));
    // From now on it is as with any file: zeros.
    t.regex(await must('bash', behind), /^620f0b67a91f7f74151bc5be745b7110 /);
    t.is(Buffer.compare(readFileSync(mount.file()).subarray(0, MIB), readFileSync(image)), 0);
  };
  await withMount(t, [image], ['--transport', 'uring'], use, told);
});
