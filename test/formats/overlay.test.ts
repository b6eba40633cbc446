import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { Maker } from '../../tools/lib/image-maker.js';
import { must, sluice } from '../helpers/run.js';
import { withMount } from '../helpers/sluice-mount.js';
import { patternFile, TMPFS, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';
import { qemuMountTest } from './needs.js';

const CASES = ['raw', 'qcow2'].flatMap((format) => {
  return ['uring', 'fuse-native'].map((transport) => ({ format, transport }));
});

for (const { format, transport } of CASES) {
  const title = `writes go to an overlay, and are there again: over ${format}, ${transport}`;
  qemuMountTest(title, async (t) => {
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
      const words = ['--overlay', overlay, '--transport', transport];
      await withMount(t, [image], words, async (mount) => {
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
  const ended = await warmSluice(['mount', ...words]);
  t.is(ended.code, 3);
  t.regex(ended.stderr, /overlay\.qcow2: is there, and no overlay of .*two\.img/);
});

qemuMountTest('a mount that comes to nothing leaves no overlay behind that it made', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  maker.raw('disk.img', 1 << 20);
  const point = maker.path('mnt');
  mkdirSync(point);
  const overlay = maker.path('overlay.qcow2');
  const refused = [
    [maker.path('nowhere')],
    [point, '--foreground', '--assign', 'nobody=group'],
    [point, '--assign', 'nobody=group'],
    [point, '--transport', 'fuse-native', '-o', 'nonsense'],
  ];
  for (const words of refused) {
    const image = maker.path('disk.img');
    const ended = await sluice(['mount', image, ...words, '--overlay', overlay]);
    t.not(ended.code, 0, words.join(' '));
    t.false(existsSync(overlay), ended.stderr);
  }
  maker.create('overlay.qcow2', '1M', '', '-b', 'disk.img', '-F', 'raw');
  const words = [maker.path('disk.img'), maker.path('nowhere'), '--overlay', overlay];
  t.not((await warmSluice(['mount', ...words])).code, 0);
  t.true(existsSync(overlay), 'one that was there stays');
});

/** Makes a chain in which no image records the format of its backing file. */
function makeOldChain(maker: Maker): void {
  maker.create('base.qcow2', '1M');
  maker.io('base.qcow2', 'qcow2', 'write -P 7 0 64k');
  maker.create('disk.qcow2', '1M', 'compat=0.10', '-u', '-b', 'base.qcow2', '-F', 'raw');
  const marks = [Buffer.from('e2792aca', 'hex'), Buffer.from('12345678', 'hex')] as const;
  maker.patch('disk.qcow2', ...marks);
  maker.create('old.qcow2', '1M', 'compat=0.10', '-u', '-b', 'disk.qcow2', '-F', 'raw');
  maker.patch('old.qcow2', ...marks);
}

qemuMountTest('with an overlay --format counts from the image that is named', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  makeOldChain(maker);
  const image = maker.path('disk.qcow2');
  const wanted = maker.path('wanted');
  await must('sh', ['-c', `head -c 65536 /dev/zero | tr '\\0' '\\7' > ${wanted}`]);
  const words = ['--format', 'qcow2,qcow2', '--overlay'];
  for (const name of ['new.qcow2', 'new.qcow2', 'old.qcow2']) {
    await withMount(t, [image], [...words, maker.path(name)], async (mount) => {
      await must('cmp', ['-n', '65536', wanted, mount.file()]);
    });
  }
  const shorter = [image, maker.folder, '--overlay', maker.path('other.qcow2')];
  const refused = await warmSluice(['mount', ...shorter]);
  t.is(refused.code, 3);
  t.regex(refused.stderr, /use --format qcow2,qcow2 or --format qcow2,raw\n$/);
  t.false(existsSync(maker.path('other.qcow2')));
});

qemuMountTest('an untrusted image has an overlay, which may name it', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  maker.create('disk.qcow2', '1M');
  const words = ['--untrusted', '--overlay', maker.path('overlay.qcow2')];
  for (const _ of ['made', 'used again']) {
    await withMount(t, [maker.path('disk.qcow2')], words, async () => {});
  }
  t.pass();
});
