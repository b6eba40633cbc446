import { TMPFS } from '../helpers/temp.js';
import { compareWithQemu } from './compare-with-qemu.js';
import { qemuMountTest } from './needs.js';
import { VMDK_VARIANTS } from './vmdk-variants.js';

qemuMountTest('vmdk: reads equal qemu-img convert, maps and seeks its map', async (t) => {
  await compareWithQemu(t, VMDK_VARIANTS, TMPFS);
});

qemuMountTest('vmdk on a disk: reads equal qemu-img convert, maps and seeks its map', async (t) => {
  const some = VMDK_VARIANTS.filter((_, index) => index % 3 === 0);
  await compareWithQemu(t, some, '/var/tmp');
});
