import { copyFileSync, mkdirSync, statSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { Maker } from '../../tools/lib/image-maker.js';
import { must, sluice } from '../helpers/run.js';
import { withMount } from '../helpers/sluice-mount.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';
import { warmExerciser } from '../helpers/warm.js';
import { qemuMountTest } from './needs.js';
import { VARIANTS, type Variant } from './variants.js';

/** A variant that shows a snapshot cannot be written. */
function isWritable({ words }: Variant): boolean {
  return words === undefined;
}

/** Number of variants in one mount, because mounting takes most of a test's time. */
const TOGETHER = 40;

interface Made {
  variant: Variant;
  name: string;
  maker: Maker;
  /** Size of a data file before anything is written. */
  before: number;
}

function make(t: ExecutionContext, variant: Variant, base: string, name: string): Made {
  const maker = new Maker(tempFolder(t, base));
  variant.make(maker);
  const before = statSync(maker.path('data.bin'), { throwIfNoEntry: false })?.size ?? 0;
  return { variant, name, maker, before };
}

/** Makes random writes, zeros, discards and syncs. Then each image must be sound and equal its model. */
async function exercise(
  t: ExecutionContext,
  variants: readonly Variant[],
  base: string,
  words: readonly string[],
  mounting: readonly string[] = [],
): Promise<void> {
  const made = variants.map((variant, index) => make(t, variant, base, `v${index}`));
  const images = made.map(({ name, maker }) => `${name}=${maker.path('top.qcow2')}`);
  await withMount(t, images, mounting, async (mount) => {
    for (const { name, maker, variant } of made) {
      const all = [mount.file(name), '--direct-align', '1', '--size-unit', '512'];
      all.push('--save-model', maker.path('model'), '--fixed', ...words);
      const ended = await warmExerciser(all);
      t.is(ended.code, 0, `${variant.title}: ${ended.stdout}${ended.stderr}`);
    }
  });
  for (const one of made) await checkMade(t, one);
}

async function checkMade(t: ExecutionContext, { variant, maker, before }: Made): Promise<void> {
  const image = maker.path('top.qcow2');
  const model = maker.path('model');
  await must('qemu-img', ['check', '-f', 'qcow2', image]);
  await must('qemu-img', ['compare', '-f', 'raw', '-F', 'qcow2', model, image]);
  // A raw data file has the contents of the disk, and the image keeps that flag.
  if (variant.title.includes('raw external data file')) {
    await must('cmp', ['-n', String(statSync(model).size), model, maker.path('data.bin')]);
    t.is(statSync(maker.path('data.bin')).size, before);
    t.regex(await must('qemu-img', ['info', image]), /data file raw: true/);
  }
}

const WRITABLE = VARIANTS.filter(isWritable);

for (let from = 0; from < WRITABLE.length; from += TOGETHER) {
  const variants = WRITABLE.slice(from, from + TOGETHER);
  const which = `from ${variants[0]!.title} to ${variants.at(-1)!.title}`;
  qemuMountTest(`random operations leave a sound image: ${which}`, async (t) => {
    await exercise(t, variants, TMPFS, ['--ops', '150']);
  });
}

const SOME = VARIANTS.filter(({ title }) => {
  return /^(clusters of (512|64k|2M)|subclusters in 16k|a chain of 3, 1 and 2 MiB|zstd in.*64k|a raw external data file|an external data file with subclusters)$/.test(
    title,
  );
});
/** Without locks of ranges on a disk, the first 40 operations show it for each variant. */
const PARALLEL = ['--ops', '480', '--concurrent', '8'];

qemuMountTest('eight writes at a time leave sound images: fuse-native', async (t) => {
  await exercise(t, SOME, TMPFS, PARALLEL, ['--transport', 'fuse-native']);
});

for (const base of [TMPFS, '/var/tmp']) {
  qemuMountTest(`eight writes at a time leave sound images: ${base}`, async (t) => {
    await exercise(t, SOME, base, PARALLEL);
  });
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
