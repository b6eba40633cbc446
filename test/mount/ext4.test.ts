import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { detachLoop, loopDevice, mountFileSystem } from '../helpers/loop-device.js';
import { requires } from '../helpers/requires.js';
import { must } from '../helpers/run.js';
import { withMount } from '../helpers/sluice-mount.js';
import { MIB, pattern, sparseFile, tempFolder } from '../helpers/temp.js';

const ext4Test = requires('fuse', 'root', 'io_uring', 'loop', 'e2fsprogs');

/** 300 files from nothing to 300 KiB in 20 folders: 44 MiB. */
function makeTree(root: string): void {
  for (let i = 0; i < 300; i++) {
    const folder = join(root, `folder-${i % 20}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `file-${i}`), pattern(i * 1021, i));
  }
}

for (const direct of ['--direct', '--no-direct']) {
  ext4Test(`ext4 on a loop device over the mounted file is sound: ${direct}`, async (t) => {
    const folder = tempFolder(t);
    const tree = join(folder, 'tree');
    const inside = join(folder, 'inside');
    mkdirSync(inside);
    makeTree(tree);
    const image = sparseFile(join(folder, 'disk.img'), 128 * MIB);
    await withMount(t, [image], [direct], async (mount) => {
      const device = await loopDevice(t, mount.file());
      await must('mkfs.ext4', ['-q', device]);
      await mountFileSystem(t, [device], inside);
      await must('cp', ['-a', tree, inside]);
      await must('rm', ['-r', join(inside, 'tree', 'folder-3')]);
      await must('fstrim', [inside]);
      await must('cp', ['-a', join(tree, 'folder-3'), join(inside, 'tree')]);
      await must('umount', [inside]);
      await must('e2fsck', ['-f', '-n', device]);
      await mountFileSystem(t, ['-o', 'ro', device], inside);
      await must('diff', ['-r', tree, join(inside, 'tree')]);
      await must('umount', [inside]);
      await detachLoop(device);
    });
    await must('e2fsck', ['-f', '-n', image]);
  });
}
