import { copyFileSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { must, run, sluice } from '../helpers/run.js';
import { withMount } from '../helpers/sluice-mount.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';
import { qemuMountTest } from './needs.js';
import { Maker, VARIANTS, type Variant } from './variants.js';

const EXERCISER = fileURLToPath(new URL('../../tools/exerciser.js', import.meta.url));

/** Shown snapshots cannot be written. */
function isWritable({ words }: Variant): boolean {
  return words === undefined;
}

/** Random writes, zeros, discards and syncs; then the image must be sound and as the model. */
async function exercise(
  t: ExecutionContext,
  variant: Variant,
  base: string,
  words: readonly string[],
  mounting: readonly string[] = [],
): Promise<void> {
  const maker = new Maker(tempFolder(t, base));
  variant.make(maker);
  const image = maker.path('top.qcow2');
  const model = join(maker.folder, 'model');
  const before = statSync(maker.path('data.bin'), { throwIfNoEntry: false })?.size ?? 0;
  await withMount(t, [image], mounting, async (mount) => {
    const all = [EXERCISER, mount.file('top'), '--direct-align', '1', '--size-unit', '512'];
    all.push('--save-model', model, '--fixed', ...words);
    const ended = await run(process.execPath, all, { limitMs: 60_000 });
    t.is(ended.code, 0, ended.stdout + ended.stderr);
  });
  await must('qemu-img', ['check', '-f', 'qcow2', image]);
  await must('qemu-img', ['compare', '-f', 'raw', '-F', 'qcow2', model, image]);
  // A raw data file is the disk, and the image goes on saying so.
  if (variant.title.includes('raw external data file')) {
    await must('cmp', ['-n', String(statSync(model).size), model, maker.path('data.bin')]);
    t.is(statSync(maker.path('data.bin')).size, before);
    t.regex(await must('qemu-img', ['info', image]), /data file raw: true/);
  }
}

for (const variant of VARIANTS.filter(isWritable)) {
  qemuMountTest(`random operations leave a sound image: ${variant.title}`, async (t) => {
    await exercise(t, variant, TMPFS, ['--ops', '300']);
  });
}

const SOME = VARIANTS.filter(({ title }) => {
  return /^(clusters of (512|64k|2M)|subclusters in 16k|a chain of 3, 1 and 2 MiB|zstd in.*64k|a raw external data file|an external data file with subclusters)$/.test(
    title,
  );
});

for (const variant of SOME) {
  qemuMountTest(`by fuse-native, too: ${variant.title}`, async (t) => {
    const words = ['--ops', '2000', '--concurrent', '8'];
    await exercise(t, variant, TMPFS, words, ['--transport', 'fuse-native']);
  });
  for (const base of [TMPFS, '/var/tmp']) {
    qemuMountTest(
      `eight writes at a time leave a sound image: ${variant.title}, ${base}`,
      async (t) => {
        await exercise(t, variant, base, ['--ops', '2000', '--concurrent', '8']);
      },
    );
  }
}

qemuMountTest('writing leaves what snapshots show as it was', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  maker.create('top.qcow2', '6M');
  maker.io('top.qcow2', 'qcow2', 'write -P 1 0 6M');
  maker.img('snapshot', '-c', 'before', 'top.qcow2');
  const image = maker.path('top.qcow2');
  const snapshot = ['-l', 'snapshot.name=before'];
  await must('qemu-img', ['convert', '-O', 'raw', ...snapshot, image, maker.path('before')]);
  await withMount(t, [image], [], async (mount) => {
    const words = ['if=/dev/urandom', `of=${mount.file('top')}`, 'bs=10000', 'count=200'];
    await must('dd', [...words, 'conv=notrunc,fsync', 'status=none']);
  });
  await must('qemu-img', ['check', '-f', 'qcow2', image]);
  await must('qemu-img', ['convert', '-O', 'raw', ...snapshot, image, maker.path('after')]);
  await must('cmp', [maker.path('before'), maker.path('after')]);
});

qemuMountTest('an image that is marked corrupt is not written, but read', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  maker.create('top.qcow2', '1M', 'lazy_refcounts=on');
  const image = maker.path('top.qcow2');
  // Dirty too: nothing is repaired.
  maker.poke('top.qcow2', 79, 3);
  copyFileSync(image, maker.path('copy'));
  mkdirSync(maker.path('mnt'));
  const ended = await sluice(['mount', image, maker.path('mnt'), '--foreground']);
  t.is(ended.code, 3);
  t.regex(ended.stderr, /marked as corrupt/);
  await withMount(t, [image], ['--read-only'], async (mount) => {
    await must('cmp', ['-n', '1048576', mount.file('top'), '/dev/zero']);
  });
  await must('cmp', [image, maker.path('copy')]);
});
