import { constants } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { Maker } from '../../tools/lib/image-maker.js';
import { FileAgent } from '../helpers/file-agent.js';
import { must } from '../helpers/run.js';
import { withMount } from '../helpers/sluice-mount.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';
import { qemuMountTest } from './needs.js';

const EPERM = 1;
const EFBIG = 27;
const EOPNOTSUPP = 95;
const KIB = 1024;
const MIB = 1 << 20;

async function virtualSize(image: string): Promise<number> {
  const text = await must('qemu-img', ['info', '--output=json', image]);
  return (JSON.parse(text) as { 'virtual-size': number })['virtual-size'];
}

async function reads(file: string, format: string, ...wanted: string[]): Promise<void> {
  const words = wanted.flatMap((one) => ['-c', `read ${one}`]);
  await must('qemu-io', ['-r', '-f', format, ...words, file]);
}

/** A disk of a mount, open. */
interface Opened {
  fd: number;
  file: string;
}

/** Mounts images with --growable and opens their disks. */
async function withDisks(
  t: ExecutionContext,
  images: readonly string[],
  use: (agent: FileAgent, disks: readonly Opened[]) => Promise<void>,
): Promise<void> {
  const agent = new FileAgent(t);
  const named = images.map((image, index) => `d${index}=${image}`);
  await withMount(t, named, ['--growable'], async (mount) => {
    const disks: Opened[] = [];
    for (const [index] of images.entries()) {
      const file = mount.file(`d${index}`);
      disks.push({ file, fd: await agent.open(file, constants.O_RDWR) });
    }
    await use(agent, disks);
    for (const { fd } of disks) await agent.close(fd);
  });
}

function withDisk(
  t: ExecutionContext,
  image: string,
  use: (agent: FileAgent, fd: number, file: string) => Promise<void>,
): Promise<void> {
  return withDisks(t, [image], (agent, [disk]) => use(agent, disk!.fd, disk!.file));
}

const GROWN = [
  ['clusters of 512 bytes, whose L1 table moves', 'cluster_size=512', 1000 * KIB],
  ['clusters of 64 KiB', '', MIB + 512],
  ['clusters of 2 MiB', 'cluster_size=2M', 5 * MIB],
  ['version 2', 'compat=0.10', MIB],
  ['subclusters', 'extended_l2=on', MIB + 1536],
] as const;

qemuMountTest('disks grow by truncate and by writes', async (t) => {
  const made = GROWN.map(([title, options, size]) => {
    const maker = new Maker(tempFolder(t, TMPFS));
    maker.create('top.qcow2', String(size), options);
    maker.io('top.qcow2', 'qcow2', `write -P 1 0 ${size}`);
    const wanted = [
      `-P 1 0 ${size}`,
      `-P 0 ${size} ${9 * MIB + 100 - size}`,
      `-P 2 ${9 * MIB + 100} 1000`,
      `-P 0 ${9 * MIB + 1100} 336`,
      `-P 3 ${9 * MIB + 1436} 200`,
      `-P 0 ${9 * MIB + 1636} ${7 * MIB - 1636 - 5000}`,
      `-P 4 ${16 * MIB - 5000} 5000`,
    ];
    return { title, size, image: maker.path('top.qcow2'), wanted };
  });
  const images = made.map(({ image }) => image);
  await withDisks(t, images, async (agent, disks) => {
    for (const [index, { fd, file }] of disks.entries()) {
      const { title, size } = made[index]!;
      t.log(title);
      t.is(await agent.result({ call: 'ftruncate', fd, length: 7 * MIB + 1 }), 0);
      t.is(await agent.size(file), 7 * MIB + 512);
      t.is(await agent.write(fd, 9 * MIB + 100, Buffer.alloc(1000, 2)), 1000);
      t.is(await agent.size(file), 9 * MIB + 1536);
      t.is(await agent.write(fd, 9 * MIB + 1536 - 100, Buffer.alloc(200, 3)), 200);
      t.is(await agent.size(file), 9 * MIB + 2048);
      t.is(await agent.result({ call: 'ftruncate', fd, length: 16 * MIB }), 0);
      t.is(await agent.write(fd, 16 * MIB - 5000, Buffer.alloc(5000, 4)), 5000);
      await reads(file, 'raw', `-P 1 0 ${size}`, `-P 0 ${size} ${9 * MIB + 100 - size}`);
    }
  });
  for (const { image, wanted } of made) {
    await must('qemu-img', ['check', '-f', 'qcow2', image]);
    t.is(await virtualSize(image), 16 * MIB);
    await reads(image, 'qcow2', ...wanted);
  }
  await withDisks(t, images, async (agent, disks) => {
    for (const [index, { file }] of disks.entries()) {
      t.is(await agent.size(file), 16 * MIB);
      await reads(file, 'raw', ...made[index]!.wanted);
    }
  });
});

const ENDS = [
  ['a whole cluster', '', MIB],
  ['within a cluster', '', MIB + 512],
  ['within a small cluster', 'cluster_size=1k', 700 * KIB + 512],
  ['within a subcluster', 'extended_l2=on', MIB + 3 * 512],
  ['version 2', 'compat=0.10', MIB + 512],
] as const;

for (const format of ['raw', 'qcow2'] as const) {
  qemuMountTest(`growing does not reveal what a longer ${format} backing file has`, async (t) => {
    const made = ENDS.map(([title, options, size]) => {
      const maker = new Maker(tempFolder(t, TMPFS));
      if (format === 'raw') maker.raw('base', 2 * MIB);
      else maker.create('base', '2M');
      maker.io('base', format, 'write -P 1 0 2M');
      maker.create('top.qcow2', String(size), options, '-b', 'base', '-F', format);
      maker.io('top.qcow2', 'qcow2', 'write -P 2 0 64k');
      const wanted = [
        '-P 2 0 64k',
        `-P 1 64k ${size - 64 * KIB}`,
        `-P 0 ${size} ${2 * MIB + 300 * KIB - size}`,
        `-P 3 ${2 * MIB + 300 * KIB} 4k`,
      ];
      return { title, image: maker.path('top.qcow2'), wanted };
    });
    const images = made.map(({ image }) => image);
    await withDisks(t, images, async (agent, disks) => {
      for (const [index, { fd, file }] of disks.entries()) {
        t.log(`the disk ends at ${made[index]!.title}`);
        t.is(await agent.result({ call: 'ftruncate', fd, length: MIB + 100 * KIB }), 0);
        t.is(await agent.write(fd, 2 * MIB + 300 * KIB, Buffer.alloc(4096, 3)), 4096);
        await reads(file, 'raw', ...made[index]!.wanted);
      }
    });
    for (const { image, wanted } of made) {
      await must('qemu-img', ['check', '-f', 'qcow2', image]);
      t.is(await virtualSize(image), 2 * MIB + 304 * KIB);
      await reads(image, 'qcow2', ...wanted);
    }
  });
}

qemuMountTest('clusters that a crash left behind the end do not come up', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  maker.create('top.qcow2', '4M');
  maker.io('top.qcow2', 'qcow2', 'write -P 7 1M 3M');
  // The header says 1 MiB, but the tables still have the clusters past that.
  for (let i = 0; i < 8; i++) maker.poke('top.qcow2', 24 + i, i === 5 ? 0x10 : 0);
  const image = maker.path('top.qcow2');
  await withDisk(t, image, async (agent, fd, file) => {
    t.is(await agent.size(file), MIB);
    t.is(await agent.result({ call: 'ftruncate', fd, length: 3 * MIB }), 0);
    await reads(file, 'raw', '-P 0 0 3M');
  });
  await must('qemu-img', ['check', '-f', 'qcow2', image]);
  await reads(image, 'qcow2', '-P 0 0 3M');
});

qemuMountTest('a disk grows to terabytes, and its L1 table with it', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  maker.create('top.qcow2', '1M');
  const image = maker.path('top.qcow2');
  const length = 5 * 2 ** 40;
  await withDisk(t, image, async (agent, fd) => {
    t.is(await agent.write(fd, 0, Buffer.alloc(512, 1)), 512);
    t.is(await agent.result({ call: 'ftruncate', fd, length: 2 ** 40 }), 0);
    t.is(await agent.write(fd, 2 ** 40 - 512, Buffer.alloc(512, 2)), 512);
    t.is(await agent.result({ call: 'ftruncate', fd, length }), 0);
    t.is(await agent.write(fd, length - 512, Buffer.alloc(512, 3)), 512);
  });
  await must('qemu-img', ['check', '-f', 'qcow2', image]);
  t.is(await virtualSize(image), length);
  const last = [`-P 2 ${2 ** 40 - 512} 512`, `-P 3 ${length - 512} 512`];
  await reads(image, 'qcow2', '-P 1 0 512', '-P 0 512 1M', ...last);
});

qemuMountTest('what a disk cannot do: shrink, or be larger than its format allows', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  maker.create('top.qcow2', '1M', 'cluster_size=512');
  maker.io('top.qcow2', 'qcow2', 'write -P 1 0 1M');
  const image = maker.path('top.qcow2');
  await withDisk(t, image, async (agent, fd, file) => {
    t.is(await agent.result({ call: 'ftruncate', fd, length: 512 * KIB }), -EPERM);
    // An L1 table of 32 MiB, with 32 KiB of disk for each entry: 128 GiB.
    t.is(await agent.result({ call: 'ftruncate', fd, length: 2 ** 37 + 512 }), -EFBIG);
    t.is(await agent.write(fd, 2 ** 37, Buffer.alloc(512, 1)), -EFBIG);
    t.is(await agent.size(file), MIB);
    // O_TRUNC is no error and has no effect, as with a block device.
    const again = await agent.open(file, constants.O_RDWR | constants.O_TRUNC);
    t.true(again >= 0);
    await agent.close(again);
    t.is(await agent.size(file), MIB);
    await reads(file, 'raw', '-P 1 0 1M');
  });
  await must('qemu-img', ['check', '-f', 'qcow2', image]);
  t.is(await virtualSize(image), MIB);
});

for (const [version, options, result] of [
  [2, 'compat=0.10', -EOPNOTSUPP],
  [3, '', 0],
] as const) {
  qemuMountTest(`a disk of version ${version} with snapshots: they stay as they are`, async (t) => {
    const maker = new Maker(tempFolder(t, TMPFS));
    maker.create('top.qcow2', '1M', options);
    maker.io('top.qcow2', 'qcow2', 'write -P 1 0 1M');
    maker.img('snapshot', '-c', 'before', 'top.qcow2');
    const image = maker.path('top.qcow2');
    await withDisk(t, image, async (agent, fd) => {
      t.is(await agent.result({ call: 'ftruncate', fd, length: 2 * MIB }), result);
      t.is(await agent.write(fd, 0, Buffer.alloc(4096, 2)), 4096);
    });
    await must('qemu-img', ['check', '-f', 'qcow2', image]);
    t.is(await virtualSize(image), result === 0 ? 2 * MIB : MIB);
    const raw = maker.path('raw');
    const words = ['convert', '-l', 'snapshot.name=before', '-O', 'raw', image, raw];
    await must('qemu-img', words);
    await reads(raw, 'raw', '-P 1 0 1M');
  });
}
