import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { mountsAt } from '../helpers/proc.js';
import { mountTest } from '../helpers/requires.js';
import { sluice } from '../helpers/run.js';
import { forceAway, startMount } from '../helpers/sluice-mount.js';
import { sparseFile, TMPFS, tempFolder } from '../helpers/temp.js';

for (const transport of ['uring', 'fuse-native']) {
  mountTest(`${transport}: a thousand images are mounted at once`, async (t) => {
    const folder = tempFolder(t, TMPFS);
    const images = Array.from({ length: 1000 }, (_, i) => {
      return sparseFile(join(folder, `image-with-a-long-name-${i}.img`), 4096 * (i + 1));
    });
    const mount = await startMount(t, images, ['--transport', transport]);
    t.is(readdirSync(mount.point).filter((name) => name.endsWith('.raw')).length, 1000);
    t.is((await mount.umount()).code, 0);
    await mount.checkGone(t);
  });
}

mountTest(
  'of two mounts on one directory at once one is refused, and the other one stays',
  async (t) => {
    const folder = tempFolder(t);
    const point = join(folder, 'mnt');
    mkdirSync(point);
    t.teardown(() => forceAway(point));
    const images = ['one', 'two'].map((name) => sparseFile(join(folder, `${name}.img`), 1 << 20));
    for (let round = 0; round < 3; round++) {
      const words = (image: string) => ['mount', image, point, '--log', `${image}.log`];
      const ended = await Promise.all(images.map((image) => sluice(words(image))));
      const winner = ended.findIndex(({ code }) => code === 0);
      t.deepEqual(
        ended.map(({ code }) => code).sort(),
        [0, 4],
        ended.map((e) => e.stderr).join(''),
      );
      t.regex(ended[1 - winner]!.stderr, /is mounted there|is being made there/);
      t.is(mountsAt(point).length, 1);
      t.true(readdirSync(point).includes(['one.raw', 'two.raw'][winner]!));
      t.is((await sluice(['umount', point])).code, 0);
    }
  },
);
