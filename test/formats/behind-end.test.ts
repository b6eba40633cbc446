import {
  closeSync,
  constants,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { Maker } from '../../tools/lib/image-maker.js';
import { FileAgent } from '../helpers/file-agent.js';
import { must } from '../helpers/run.js';
import { startMount, withMount } from '../helpers/sluice-mount.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';
import { qemuMountTest } from './needs.js';

const CLUSTER = 65_536;

/** Sets the mark of an image whose refcounts may be wrong: bit 0 of its incompatible features. */
function markDirty(image: string): void {
  const fd = openSync(image, 'r+');
  writeSync(fd, Buffer.of(1), 0, 1, 79);
  closeSync(fd);
}

for (const state of ['closed', 'dirty'] as const) {
  const title = `a cluster that lies wholly behind the end of the file of a ${state} image is written, as by QEMU`;
  qemuMountTest(title, async (t) => {
    const maker = new Maker(tempFolder(t, TMPFS));
    maker.create('top.qcow2', '4M');
    maker.io('top.qcow2', 'qcow2', 'write -P 1 0 64k', 'write -P 2 64k 64k', 'write -P 3 128k 64k');
    const image = maker.path('top.qcow2');
    // The last two clusters of data are cut off: they read as zeros.
    truncateSync(image, statSync(image).size - 2 * CLUSTER);
    if (state === 'dirty') markDirty(image);
    const agent = new FileAgent(t);
    await withMount(t, [image], [], async (mount) => {
      const fd = await agent.open(mount.file('top'), constants.O_RDWR);
      t.is(await agent.write(fd, 2 * CLUSTER + 4096, Buffer.alloc(4096, 9)), 4096);
      // New clusters must not take the places of the ones past the end.
      t.is(await agent.write(fd, 8 * CLUSTER, Buffer.alloc(2 * CLUSTER, 7)), 2 * CLUSTER);
      t.is(await agent.write(fd, CLUSTER + 100, Buffer.alloc(100, 8)), 100);
      await agent.close(fd);
    });
    const reads = [
      'read -P 1 0 64k',
      'read -P 0 64k 100',
      `read -P 8 ${CLUSTER + 100} 100`,
      `read -P 0 ${CLUSTER + 200} ${CLUSTER - 200}`,
      'read -P 0 128k 4k',
      'read -P 9 132k 4k',
      'read -P 0 136k 56k',
      'read -P 7 512k 128k',
    ];
    await must('qemu-io', ['-f', 'qcow2', ...reads.flatMap((one) => ['-c', one]), image]);
    await must('qemu-img', ['check', '-f', 'qcow2', image]);
  });
}

qemuMountTest(
  'bitmaps of QEMU that become invalid are told of when the image is mounted',
  async (t) => {
    const maker = new Maker(tempFolder(t, TMPFS));
    maker.create('top.qcow2', '4M');
    const image = maker.path('top.qcow2');
    for (const name of ['one', 'two']) {
      await must('qemu-img', ['bitmap', '--add', '-f', 'qcow2', image, name]);
    }
    t.regex((await warmSluice(['info', image])).stdout, /2 bitmaps/);
    await withMount(t, [image], ['--read-only'], async () => {});
    const mount = await startMount(t, [image]);
    t.regex(
      mount.log,
      /top\.qcow2: its 2 bitmaps for incremental backups will not be valid any more/,
    );
    t.is((await mount.umount()).code, 0);
  },
);

qemuMountTest('a snapshot table of huge counts is refused at once', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  maker.create('top.qcow2', '1M', 'cluster_size=512');
  const image = maker.path('top.qcow2');
  const header = readFileSync(image);
  for (const [l1Entries, l1Offset] of [
    [0xffffffff, 4096],
    [(1 << 22) + 1, 4096],
    [16, 4097],
    [16, 2 ** 52],
  ] as const) {
    const table = Buffer.alloc(40);
    table.writeBigUInt64BE(BigInt(l1Offset), 0);
    table.writeUInt32BE(l1Entries, 8);
    header.writeUInt32BE(65_536, 60);
    header.writeBigUInt64BE(1n << 20n, 64);
    writeFileSync(image, header);
    truncateSync(image, 2 ** 40);
    const fd = openSync(image, 'r+');
    writeSync(fd, table, 0, table.length, 1 << 20);
    closeSync(fd);
    for (const words of [['info'], ['map']]) {
      const ended = await warmSluice([...words, image]);
      t.true(ended.ms < 10_000, `${ended.ms}`);
      t.regex(ended.stdout + ended.stderr, /snapshot 1 has an L1 table that cannot be/);
    }
    t.is((await warmSluice(['map', image])).code, 3);
  }
});
