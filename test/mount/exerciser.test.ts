import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { mountTest } from '../helpers/requires.js';
import { must } from '../helpers/run.js';
import { type SluiceMount, withMount } from '../helpers/sluice-mount.js';
import { MIB, sparseFile, tempFolder } from '../helpers/temp.js';
import { warmExerciser } from '../helpers/warm.js';

/**
 * A short run. The long run is the command's default: ten seeds of 20,000 operations. A wrong byte in one of
 * 512 edges shows within 801 operations, or 177. Without direct I/O there are no edges, so one seed will do.
 */
const LENGTH = ['--ops', '2500'];
const SEEDS = { '--direct': ['--seeds', '2'], '--no-direct': ['--seed', '2'] };

const VARIANTS = [
  { title: 'fixed', mount: [], exercise: ['--fixed', ...LENGTH] },
  { title: 'growable', mount: ['--growable'], exercise: ['--growable', ...LENGTH] },
  {
    title: 'eight neighbouring writes at a time',
    mount: [],
    // Without locks of ranges the first 8 operations show it.
    exercise: ['--fixed', '--concurrent', '8', '--ops', '1600'],
  },
];

for (const direct of ['--direct', '--no-direct'] as const) {
  for (const variant of VARIANTS) {
    mountTest(`the exerciser finds no difference: ${direct}, ${variant.title}`, async (t) => {
      const folder = tempFolder(t);
      const image = sparseFile(join(folder, 'disk.img'), 8 * MIB);
      const model = join(folder, 'model');
      await withMount(t, [image], [direct, ...variant.mount], async (mount) => {
        const words = [mount.file(), '--direct-align', '1', '--size-unit', '512'];
        words.push('--host', image, '--save-model', model, ...variant.exercise);
        if (!variant.exercise.includes('--concurrent')) words.push(...SEEDS[direct]);
        const ended = await warmExerciser(words);
        t.is(ended.code, 0, ended.stdout + ended.stderr);
      });
      await must('cmp', ['-n', String(8 * MIB), image, model]);
    });
  }
}

for (const second of [false, true]) {
  const what = second ? 'and through its host file at the same time' : '';
  mountTest(`the exerciser finds no difference: passed through ${what}`, async (t) => {
    const folder = tempFolder(t);
    const image = sparseFile(join(folder, 'disk.img'), 8 * MIB);
    const model = join(folder, 'model');
    const words = ['--growable', '--passthrough', 'disk'];
    await withMount(t, [image], words, async (mount) => {
      const exercise = [mount.file(), '--growable', ...LENGTH];
      exercise.push('--host', image, '--save-model', model);
      if (second) exercise.push('--second', image);
      const ended = await warmExerciser(exercise);
      t.is(ended.code, 0, ended.stdout + ended.stderr);
    });
    await must('cmp', [image, model]);
  });
}

/** An odd place: no block of 4096 bytes of the image is one of the partition. */
const START = 2111;

/** A disk with two partitions that are the same sectors: an MBR by its bytes, for no tool would write it. */
function twins(path: string): string {
  const image = sparseFile(path, 16 * MIB);
  const entry = Buffer.alloc(16);
  entry.writeUInt8(0x83, 4);
  entry.writeUInt32LE(START, 8);
  entry.writeUInt32LE((8 * MIB) / 512, 12);
  const sector = Buffer.concat([Buffer.alloc(446), entry, entry, Buffer.alloc(32)], 512);
  sector.writeUInt16BE(0x55aa, 510);
  const file = openSync(image, 'r+');
  writeSync(file, sector);
  closeSync(file);
  return image;
}

for (const { title, words } of [
  { title: 'one operation at a time', words: LENGTH },
  { title: 'eight at a time', words: ['--concurrent', '8', '--ops', '1600'] },
]) {
  mountTest(`two views of the same bytes agree: ${title}`, async (t) => {
    const folder = tempFolder(t);
    const image = twins(join(folder, 'disk.img'));
    const model = join(folder, 'model');
    const use = async (mount: SluiceMount): Promise<void> => {
      const own = [
        mount.file('disk.p1'),
        '--second',
        mount.file('disk.p2'),
        '--no-mmap',
        '--fixed',
      ];
      const all = [...own, '--direct-align', '1', '--save-model', model, ...words];
      const ended = await warmExerciser(all);
      t.is(ended.code, 0, ended.stdout + ended.stderr);
    };
    await withMount(t, [image], [], use, /partition table: p2 overlaps p1$/);
    await must('cmp', ['-n', String(8 * MIB), '-i', `${START * 512}:0`, image, model]);
  });
}
