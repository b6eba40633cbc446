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
    const size = 40 << 20;
    maker.create('top.qcow2', String(size), 'cluster_size=512');
    const image = maker.path('top.qcow2');
    const model = patternFile(maker.path('model'), size);
    await withMount(t, [image], [], async (mount) => {
      await copyInto(model, mount.file('top'));
      await must('cmp', [model, mount.file('top')]);
    });
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

for (const options of ['', 'cluster_size=4k', 'cluster_size=2M', 'extended_l2=on']) {
  const title = options === '' ? 'as QEMU makes them' : options;
  qemuMountTest(`room that a deleted snapshot had is used again: ${title}`, async (t) => {
    const maker = new Maker(tempFolder(t, TMPFS));
    maker.create('top.qcow2', '32M', options);
    maker.io('top.qcow2', 'qcow2', 'write -P 1 0 32M');
    maker.img('snapshot', '-c', 'before', 'top.qcow2');
    maker.io('top.qcow2', 'qcow2', 'write -P 2 0 16M');
    maker.img('snapshot', '-d', 'before', 'top.qcow2');
    maker.io('top.qcow2', 'qcow2', 'discard 16M 16M');
    const image = maker.path('top.qcow2');
    const before = statSync(image).size;
    const model = maker.path('model');
    await must('qemu-img', ['convert', '-f', 'qcow2', '-O', 'raw', image, model]);
    await withMount(t, [image], [], async (mount) => {
      for (const to of [model, mount.file('top')]) {
        // A part of a cluster: the rest must not show the old contents of the cluster.
        await must('dd', [
          'if=/bin/sh',
          `of=${to}`,
          'bs=5000',
          'count=1',
          'seek=6600',
          'conv=notrunc',
          'status=none',
        ]);
        await must('dd', [
          'if=/dev/zero',
          `of=${to}`,
          'bs=1M',
          'count=14',
          'seek=17',
          'conv=notrunc',
          'status=none',
        ]);
      }
      await must('cmp', [model, mount.file('top')]);
    });
    await must('qemu-img', ['check', '-f', 'qcow2', image]);
    await must('qemu-img', ['compare', '-f', 'raw', '-F', 'qcow2', model, image]);
    t.is(statSync(image).size, before);
  });
}

for (const options of ['', 'cluster_size=4k', 'cluster_size=2M', 'extended_l2=on', 'compat=0.10']) {
  const title = options === '' ? 'as QEMU makes them' : options;
  qemuMountTest(`a cluster that is used again never shows what it held: ${title}`, async (t) => {
    const maker = new Maker(tempFolder(t, TMPFS));
    maker.create('top.qcow2', '32M', options);
    const image = maker.path('top.qcow2');
    // The image frees its clusters, but the file keeps their contents.
    const opened = `driver=qcow2,file.filename=${image},discard=unmap,pass-discard-request=off`;
    const words = ['--image-opts', '-c', 'write -P 17 0 32M', '-c', 'discard 0 32M', opened];
    await must('qemu-io', words);
    const before = statSync(image).size;
    const model = maker.path('model');
    maker.raw('model', 32 << 20);
    t.true(readFileSync(image).includes(Buffer.alloc(65536, 17)));
    await withMount(t, [image], [], async (mount) => {
      for (let at = 0; at < 30; at += 3) {
        const words = ['if=/bin/sh', 'bs=5000', 'count=1', `seek=${at * 200 + 7}`, 'conv=notrunc'];
        for (const to of [model, mount.file('top')]) {
          await must('dd', [...words, `of=${to}`, 'status=none']);
        }
      }
      await must('cmp', [model, mount.file('top')]);
    });
    await must('qemu-img', ['check', '-f', 'qcow2', image]);
    await must('qemu-img', ['compare', '-f', 'raw', '-F', 'qcow2', model, image]);
    t.is(statSync(image).size, before);
  });
}

qemuMountTest('compressed clusters that were rewritten give their room back', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  const size = 32 << 20;
  // Noise of 64 KiB twice: compression does not make it smaller.
  const model = patternFile(maker.path('model'), size);
  maker.img('convert', '-c', '-f', 'raw', '-O', 'qcow2', 'model', 'top.qcow2');
  const image = maker.path('top.qcow2');
  const before = statSync(image).size;
  await withMount(t, [image], [], async (mount) => {
    for (let at = 0; at < 32; at += 4) {
      const words = ['bs=1M', 'count=4', `skip=${at}`, `seek=${at}`, 'conv=notrunc,fsync'];
      await must('dd', [`if=${model}`, `of=${mount.file('top')}`, ...words, 'status=none']);
    }
    await must('cmp', [model, mount.file('top')]);
  });
  await must('qemu-img', ['check', '-f', 'qcow2', image]);
  await must('qemu-img', ['compare', '-f', 'raw', '-F', 'qcow2', model, image]);
  // Without reuse it would be twice as large.
  t.true(statSync(image).size < before * 1.4, `${before} -> ${statSync(image).size}`);
});
