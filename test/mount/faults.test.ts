import { constants } from 'node:fs';
import { join } from 'node:path';
import { askMount } from '../../src/server/api-client.js';
import { ERRNO } from '../../src/util/errno.js';
import { FileAgent } from '../helpers/file-agent.js';
import { IN_THE_END_MS } from '../helpers/proc.js';
import { mountTest, requires } from '../helpers/requires.js';
import { must } from '../helpers/run.js';
import { type SluiceMount, withMount } from '../helpers/sluice-mount.js';
import { MIB, sparseFile, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';

const { O_RDWR } = constants;
const nativeTest = requires('fuse', 'root');
const qemuTest = requires('fuse', 'root', 'io_uring', 'qemu');

interface Images {
  images: { name: string; faults: { words: string; failed: number; delayed: number } | null }[];
}

async function faultsOf({ point }: SluiceMount): Promise<Images['images'][0]['faults']> {
  const asked = { method: 'GET', path: '/v1/images', limitMs: IN_THE_END_MS };
  return (await askMount<Images>(point, asked))!.images[0]!.faults;
}

for (const [transport, anyTest] of [
  ['uring', mountTest],
  ['fuse-native', nativeTest],
] as const) {
  anyTest(`${transport}: a disk fails as it is told to, and is sound again`, async (t) => {
    const image = sparseFile(join(tempFolder(t), 'disk.img'), MIB);
    const words = ['--transport', transport, '--faults', 'disk:read.error=100%,seed=7'];
    const agent = new FileAgent(t);
    await withMount(t, [image], words, async (mount) => {
      const fd = await agent.open(mount.file(), O_RDWR);
      t.is((await agent.read(fd, 0, 4096)).result, -ERRNO.EIO);
      t.is(await agent.write(fd, 0, Buffer.alloc(4096, 'w')), 4096);
      t.deepEqual(await faultsOf(mount), {
        words: 'read.error=100%,seed=7',
        failed: 1,
        delayed: 0,
      });
      const shown = await warmSluice(['faults', mount.point]);
      t.is(shown.stdout, 'disk: read.error=100%,seed=7; 1 requests failed, 0 delayed\n');
      const change = (...faults: string[]) =>
        warmSluice(['faults', mount.point, 'disk', ...faults]);
      t.is((await change('flush.error=100%', 'flush.errno=ENOSPC', 'delay=1ms')).stderr, '');
      t.is(await agent.result({ call: 'fsync', fd }), -ERRNO.ENOSPC);
      t.is((await agent.read(fd, 0, 4096)).bytes.toString('latin1', 0, 2), 'ww');
      t.like(await faultsOf(mount), { failed: 1, delayed: 2 });
      t.regex(
        (await warmSluice(['stat', mount.point])).stdout,
        /\nFAULTS ON PURPOSE:\ndisk: flush\.error=100%,errno=ENOSPC,delay=1ms,seed=[0-9]+; /,
      );
      t.is(
        (await warmSluice(['save', mount.point])).stdout.match(/faults: (.*)/)![1],
        'flush.error=100%,flush.errno=ENOSPC,delay=1ms',
      );
      t.is((await change('off')).code, 0);
      t.is(await faultsOf(mount), null);
      t.is(await agent.result({ call: 'fsync', fd }), 0);
      const refused = await change('raed.error=1%');
      t.is(refused.code, 2);
      t.regex(refused.stderr, /did you mean read\.error\?/);
      await agent.close(fd);
    });
  });
}

qemuTest('a qcow2 image that is attached has its faults, also through a partition', async (t) => {
  const folder = tempFolder(t);
  const image = join(folder, 'vm.qcow2');
  const raw = sparseFile(join(folder, 'raw.img'), 4 * MIB);
  await must('bash', ['-c', 'echo 2048,2048 | sfdisk -q "$0"', raw]);
  await must('qemu-img', ['convert', '-O', 'qcow2', raw, image]);
  const agent = new FileAgent(t);
  await withMount(t, [], ['--empty'], async (mount) => {
    const attached = ['attach', mount.point, image, '--faults', 'write.error=100%,errno=EROFS'];
    t.is((await warmSluice(attached)).stderr, '');
    for (const name of ['vm', 'vm.p1']) {
      const fd = await agent.open(mount.file(name), O_RDWR);
      t.is(await agent.write(fd, 0, Buffer.alloc(512, 'w')), -ERRNO.EROFS);
      t.is((await agent.read(fd, 0, 512)).result, 512);
      await agent.close(fd);
    }
    t.is((await warmSluice(['detach', mount.point, 'vm'])).stderr, '');
  });
});

mountTest('an image that is passed through has no faults', async (t) => {
  const image = sparseFile(join(tempFolder(t), 'disk.img'), MIB);
  const words = ['--passthrough', 'disk', '--growable', '--faults', 'disk:read.error=1%'];
  const ended = await warmSluice(['mount', image, tempFolder(t), ...words]);
  t.is(ended.code, 2);
  t.regex(
    ended.stderr,
    /--passthrough disk: the kernel reads and writes it, so no fault can be made/,
  );
});
