import { readFileSync } from 'node:fs';
import { must, sluice } from '../helpers/run.js';
import { withMount } from '../helpers/sluice-mount.js';
import { patternFile, TMPFS, tempFolder } from '../helpers/temp.js';
import { qemuMountTest } from './needs.js';
import { Maker } from './variants.js';

for (const format of ['raw', 'qcow2']) {
  qemuMountTest(`writes go to an overlay, and are there again: over ${format}`, async (t) => {
    const maker = new Maker(tempFolder(t, TMPFS));
    patternFile(maker.path('disk.img'), (3 << 20) + 1000);
    let image = maker.path('disk.img');
    if (format === 'qcow2') {
      maker.img('convert', '-f', 'raw', '-O', 'qcow2', 'disk.img', 'disk.qcow2');
      image = maker.path('disk.qcow2');
    }
    const before = readFileSync(image);
    const overlay = maker.path('overlay.qcow2');
    const model = maker.path('model');
    await must('cp', [maker.path('disk.img'), model]);
    await must('truncate', ['-s', String((3 << 20) + 1024), model]);
    for (const seek of ['1000', '2500000']) {
      await withMount(t, [image], ['--overlay', overlay], async (mount) => {
        await must('cmp', [model, mount.file()]);
        for (const to of [model, mount.file()]) {
          const words = ['if=/bin/sh', `of=${to}`, 'bs=20000', 'count=1', `seek=${seek}`];
          await must('dd', [...words, 'oflag=seek_bytes', 'conv=notrunc', 'status=none']);
        }
        await must('cmp', [model, mount.file()]);
      });
      await must('qemu-img', ['check', overlay]);
      await must('qemu-img', ['compare', '-f', 'raw', '-F', 'qcow2', model, overlay]);
    }
    t.true(readFileSync(image).equals(before));
    t.regex(
      await must('qemu-img', ['info', overlay]),
      new RegExp(`backing file format: ${format}`),
    );
  });
}

qemuMountTest('an overlay of another image is refused', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  maker.raw('one.img', 1 << 20);
  maker.raw('two.img', 1 << 20);
  const overlay = maker.path('overlay.qcow2');
  await withMount(t, [maker.path('one.img')], ['--overlay', overlay], async () => {});
  const words = [maker.path('two.img'), maker.folder, '--overlay', overlay];
  const ended = await sluice(['mount', ...words]);
  t.is(ended.code, 3);
  t.regex(ended.stderr, /overlay\.qcow2: is there, and no overlay of .*two\.img/);
});
