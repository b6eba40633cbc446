import { mkdirSync, readFileSync } from 'node:fs';
import { mountsAt } from '../helpers/proc.js';
import { requires } from '../helpers/requires.js';
import { must, sluice } from '../helpers/run.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';
import { Maker } from './variants.js';

const nativeTest = requires('fuse', 'root', 'qemu');

nativeTest('fuse-native refuses a qcow2 image in one line, and leaves it as it is', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  maker.create('disk.qcow2', '1M');
  const image = maker.path('disk.qcow2');
  const point = maker.path('mnt');
  mkdirSync(point);
  // A bit of a feature that does not outlive a write: bitmaps, and nobody keeps them.
  await must('qemu-img', ['bitmap', '--add', image, 'kept']);
  const before = readFileSync(image);
  const ended = await sluice(['mount', image, point, '--transport', 'fuse-native']);
  t.is(ended.code, 3);
  t.is(
    ended.stderr,
    `sluice: mount: ${image}: a qcow2 image needs --transport uring, not fuse-native ` +
      '(as asked for); convert it with qemu-img convert -O raw\n',
  );
  t.deepEqual(mountsAt(point), []);
  t.true(before.equals(readFileSync(image)));
});
