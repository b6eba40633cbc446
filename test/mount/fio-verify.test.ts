import { join } from 'node:path';
import { fio } from '../helpers/fio.js';
import { requires } from '../helpers/requires.js';
import { withMount } from '../helpers/sluice-mount.js';
import { MIB, sparseFile, TMPFS, tempFolder } from '../helpers/temp.js';

const fioTest = requires('fuse', 'root', 'io_uring', 'fio');

/** From one sector to more than the largest request of FUSE. */
const SIZES = 'bssplit=512/30:4k/30:20k/15:128k/15:1m/5:1536k/5';

const VARIANTS = [
  { title: 'libaio, direct', words: ['--direct'], options: [] },
  { title: 'libaio, no-direct', words: ['--no-direct'], options: [] },
  { title: 'threads without O_DIRECT', words: [], options: ['ioengine=psync', 'direct=0'] },
];

for (const { title, words, options } of VARIANTS) {
  fioTest(`fio reads back what it wrote, sizes mixed, 32 in flight: ${title}`, async (t) => {
    const image = sparseFile(join(tempFolder(t, TMPFS), 'disk.img'), 64 * MIB);
    await withMount(t, [image], words, async (mount) => {
      const verify = ['verify=crc32c', 'verify_fatal=1', 'verify_backlog=64', SIZES];
      const job = await fio(
        mount.file(),
        'rw=randwrite',
        'iodepth=32',
        'size=64m',
        ...verify,
        ...options,
      );
      t.true(job.write.total_ios > 1000);
      t.true(job.read.total_ios > 1000);
    });
  });
}
