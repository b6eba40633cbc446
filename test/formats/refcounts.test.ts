import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { Maker } from '../../tools/lib/image-maker.js';
import { must } from '../helpers/run.js';
import { withMount } from '../helpers/sluice-mount.js';
import { patternFile, TMPFS, tempFolder } from '../helpers/temp.js';
import { qemuMountTest } from './needs.js';

/** Copies a file into a mount and syncs it. */
async function copyInto(from: string, to: string, ...words: string[]): Promise<void> {
  await must('dd', [
    `if=${from}`,
    `of=${to}`,
    'bs=1M',
    'conv=notrunc,fsync',
    'status=none',
    ...words,
  ]);
}

for (const base of [TMPFS, '/var/tmp']) {
  qemuMountTest(`an image outgrows its table of refcounts: ${base}`, async (t) => {
    const maker = new Maker(tempFolder(t, base));
    // A table of one cluster counts 8 MiB.
    const size = 20 << 20;
    maker.create('top.qcow2', String(size), 'cluster_size=512');
    const image = maker.path('top.qcow2');
    const model = patternFile(maker.path('model'), size);
    await withMount(t, [image], [], async (mount) => {
      await copyInto(model, mount.file('top'));
      await must('cmp', [model, mount.file('top')]);
    });
    t.true(readFileSync(image).readUInt32BE(56) > 2, 'clusters of the table');
    await must('qemu-img', ['check', '-f', 'qcow2', image]);
    await must('qemu-img', ['compare', '-f', 'raw', '-F', 'qcow2', model, image]);
    // Again, with the table at its new place.
    await withMount(t, [image], [], async (mount) => {
      await must('cmp', [model, mount.file('top')]);
      await copyInto('/dev/zero', mount.file('top'), 'count=3');
    });
    await must('qemu-img', ['check', '-f', 'qcow2', image]);
  });
}

const SIZE = 32 << 20;

/** An image with free clusters, what is written to it, and the most by which its file may be larger then. */
interface Reuse {
  title: string;
  make(maker: Maker): void;
  write(model: string, to: string): Promise<void>;
  growth: number;
}

/** Writes where a snapshot was, into parts of clusters too: the rest must not show what was there. */
async function writeAgain(_model: string, to: string): Promise<void> {
  const words = [`of=${to}`, 'conv=notrunc', 'status=none'];
  await must('dd', ['if=/bin/sh', 'bs=5000', 'count=1', 'seek=6600', ...words]);
  await must('dd', ['if=/dev/zero', 'bs=1M', 'count=14', 'seek=17', ...words]);
}

function deletedSnapshot(options: string): Reuse {
  return {
    title: `room that a deleted snapshot had is used again: ${options}`,
    make(maker) {
      maker.create('top.qcow2', '32M', options);
      maker.io('top.qcow2', 'qcow2', 'write -P 1 0 32M');
      maker.img('snapshot', '-c', 'before', 'top.qcow2');
      maker.io('top.qcow2', 'qcow2', 'write -P 2 0 16M');
      maker.img('snapshot', '-d', 'before', 'top.qcow2');
      maker.io('top.qcow2', 'qcow2', 'discard 16M 16M');
    },
    write: writeAgain,
    growth: 1,
  };
}

async function writeParts(_model: string, to: string): Promise<void> {
  for (let at = 0; at < 30; at += 3) {
    const words = ['if=/bin/sh', 'bs=5000', 'count=1', `seek=${at * 200 + 7}`, 'conv=notrunc'];
    await must('dd', [...words, `of=${to}`, 'status=none']);
  }
}

function usedAgain(options: string): Reuse {
  return {
    title: `a cluster that is used again never shows what it held: ${options}`,
    make(maker) {
      maker.create('top.qcow2', '32M', options);
      const image = maker.path('top.qcow2');
      // The image frees its clusters, but the file keeps their contents.
      const opened = `driver=qcow2,file.filename=${image},discard=unmap,pass-discard-request=off`;
      const words = ['--image-opts', '-c', 'write -P 17 0 32M', '-c', 'discard 0 32M', opened];
      execFileSync('qemu-io', words, { stdio: 'ignore' });
      if (!readFileSync(image).includes(Buffer.alloc(65536, 17))) throw new Error('emptied');
    },
    write: writeParts,
    growth: 1,
  };
}

const REUSES: readonly Reuse[] = [
  ...['', 'cluster_size=4k', 'cluster_size=2M', 'extended_l2=on'].map(deletedSnapshot),
  ...['', 'cluster_size=4k', 'cluster_size=2M', 'extended_l2=on', 'compat=0.10'].map(usedAgain),
  {
    title: 'compressed clusters that were rewritten give their room back',
    make(maker) {
      // Noise of 64 KiB twice: compression does not make it smaller.
      patternFile(maker.path('source'), SIZE);
      maker.img('convert', '-c', '-f', 'raw', '-O', 'qcow2', 'source', 'top.qcow2');
    },
    async write(model, to) {
      for (let at = 0; to !== model && at < 32; at += 4) {
        const words = ['bs=1M', 'count=4', `skip=${at}`, `seek=${at}`, 'conv=notrunc,fsync'];
        await must('dd', [`if=${model}`, `of=${to}`, ...words, 'status=none']);
      }
    },
    // Without reuse it would be twice as large.
    growth: 1.4,
  },
];

qemuMountTest('clusters that are free are used again, and show nothing of before', async (t) => {
  const made = REUSES.map((reuse, index) => {
    const maker = new Maker(tempFolder(t, TMPFS));
    reuse.make(maker);
    maker.img('convert', '-f', 'qcow2', '-O', 'raw', 'top.qcow2', 'model');
    const image = maker.path('top.qcow2');
    const before = statSync(image).size;
    return { ...reuse, name: `r${index}`, image, model: maker.path('model'), before };
  });
  const images = made.map(({ name, image }) => `${name}=${image}`);
  await withMount(t, images, [], async (mount) => {
    for (const { title, name, model, write } of made) {
      t.log(title);
      for (const to of [model, mount.file(name)]) await write(model, to);
      await must('cmp', [model, mount.file(name)]);
    }
  });
  for (const { title, image, model, before, growth } of made) {
    await must('qemu-img', ['check', '-f', 'qcow2', image]);
    await must('qemu-img', ['compare', '-f', 'raw', '-F', 'qcow2', model, image]);
    const { size } = statSync(image);
    t.true(growth === 1 ? size === before : size < before * growth, `${title}: ${before}, ${size}`);
  }
});
