import { constants, writeFileSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { Maker } from '../../tools/lib/image-maker.js';
import { FileAgent } from '../helpers/file-agent.js';
import { loopDevice } from '../helpers/loop-device.js';
import { requires } from '../helpers/requires.js';
import { must, run } from '../helpers/run.js';
import { withMount } from '../helpers/sluice-mount.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';
import { warmExerciser } from '../helpers/warm.js';

const ENOSPC = 28;
const MIB = 1 << 20;

const deviceTest = requires('fuse', 'root', 'io_uring', 'qemu', 'loop');

/** Makes a device full of old data. */
async function makeDevice(t: ExecutionContext, maker: Maker, bytes: number): Promise<string> {
  writeFileSync(maker.path('device'), Buffer.alloc(bytes, 0xdb));
  return await loopDevice(t, maker.path('device'));
}

interface Device {
  title: string;
  maker: Maker;
  device: string;
}

/** Random operations on all devices, in one mount; then each must be sound and as its model. */
async function exercise(t: ExecutionContext, devices: readonly Device[]): Promise<void> {
  const named = devices.map(({ device }, index) => `v${index}=${device}`);
  await withMount(t, named, ['--format', 'qcow2'], async (mount) => {
    for (const [index, { title, maker }] of devices.entries()) {
      const words = [mount.file(`v${index}`), '--direct-align', '1', '--size-unit', '512'];
      words.push('--save-model', maker.path('model'), '--fixed', '--ops', '400');
      const ended = await warmExerciser(words);
      t.is(ended.code, 0, `${title}: ${ended.stdout}${ended.stderr}`);
    }
  });
  for (const { maker, device } of devices) {
    await must('qemu-img', ['check', '-f', 'qcow2', device]);
    await must('qemu-img', ['compare', '-f', 'raw', '-F', 'qcow2', maker.path('model'), device]);
  }
}

const LAYOUTS = [
  ['clusters of 64 KiB', ''],
  ['clusters of 4 KiB', 'cluster_size=4k'],
  ['clusters of 512 bytes', 'cluster_size=512'],
  ['clusters of 1 MiB', 'cluster_size=1M'],
  ['version 2', 'compat=0.10'],
  ['subclusters', 'extended_l2=on'],
] as const;

deviceTest('random operations leave sound images on block devices', async (t) => {
  const devices: Device[] = [];
  for (const [title, options] of LAYOUTS) {
    const maker = new Maker(tempFolder(t, TMPFS));
    const device = await makeDevice(t, maker, 24 * MIB);
    maker.create(device, '6M', options);
    maker.io(device, 'qcow2', 'write -P 1 0 1M', 'write -P 2 3M 100k');
    maker.img('snapshot', '-c', 'before', device);
    devices.push({ title, maker, device });
  }
  await exercise(t, devices);
  // Once more, over the data that the first run left.
  await exercise(t, devices);
  for (const { maker, device } of devices) {
    const words = ['convert', '-l', 'snapshot.name=before', '-O', 'raw', device, maker.path('raw')];
    await must('qemu-img', words);
    const reads = ['-P 1 0 1M', '-P 0 1M 2M', '-P 2 3M 100k'].flatMap((one) => [
      '-c',
      `read ${one}`,
    ]);
    await must('qemu-io', ['-f', 'raw', ...reads, maker.path('raw')]);
  }
});

for (const options of ['', 'cluster_size=512', 'cluster_size=1M']) {
  deviceTest(
    `a device that is full: ENOSPC, and all that was written is there ${options}`,
    async (t) => {
      const maker = new Maker(tempFolder(t, TMPFS));
      const device = await makeDevice(t, maker, 8 * MIB);
      maker.create(device, '64M', options);
      const agent = new FileAgent(t);
      const written: number[] = [];
      await withMount(
        t,
        [`top=${device}`],
        ['--format', 'qcow2'],
        async (mount) => {
          const fd = await agent.open(mount.file('top'), constants.O_RDWR);
          // A part of every other 64 KiB: the rest of each cluster must read as zeros.
          for (let at = 0; at < 64 * MIB; at += 2 * 65_536) {
            const result = await agent.write(fd, at + 512, Buffer.alloc(60_000, 1 + (at % 251)));
            if (result !== 60_000) {
              t.true(result === -ENOSPC || (result > 0 && result < 60_000), String(result));
              break;
            }
            written.push(at);
          }
          t.true(written.length > 3, String(written.length));
          t.true(written.length * 60_000 < 8 * MIB);
          t.is(await agent.result({ call: 'fsync', fd }), 0);
          // Allocated clusters can still be written.
          t.is(await agent.write(fd, 512, Buffer.alloc(60_000, 99)), 60_000);
          t.is(await agent.write(fd, 32 * MIB, Buffer.alloc(512, 99)), -ENOSPC);
          await agent.close(fd);
        },
        /no space is left there/,
      );
      const check = await run('qemu-img', ['check', '-f', 'qcow2', device]);
      t.is(check.code, 0, check.stdout);
      const reads = written.flatMap((at) => {
        const value = at === 0 ? 99 : 1 + (at % 251);
        const parts = [
          `-P 0 ${at} 512`,
          `-P ${value} ${at + 512} 60000`,
          `-P 0 ${at + 60_512} 5024`,
        ];
        return parts.flatMap((one) => ['-c', `read ${one}`]);
      });
      await must('qemu-io', ['-f', 'qcow2', ...reads, device], { limitMs: 60_000 });
    },
  );
}

/** Its L1 table has 32 clusters; QEMU takes a minute to read 512 MiB in clusters of 512 bytes. */
const SIZE = 64 * MIB;

deviceTest('a disk on a block device grows, and its L1 table moves', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  const device = await makeDevice(t, maker, 16 * MIB);
  maker.create(device, '1M', 'cluster_size=512');
  maker.io(device, 'qcow2', 'write -P 1 0 1M');
  const agent = new FileAgent(t);
  const words = ['--format', 'qcow2', '--growable'];
  await withMount(t, [`top=${device}`], words, async (mount) => {
    const fd = await agent.open(mount.file('top'), constants.O_RDWR);
    t.is(await agent.result({ call: 'ftruncate', fd, length: SIZE }), 0);
    t.is(await agent.write(fd, SIZE - 700, Buffer.alloc(1400, 2)), 1400);
    await agent.close(fd);
  });
  await must('qemu-img', ['check', '-f', 'qcow2', device]);
  const last = SIZE - 700;
  const wanted = [
    '-P 1 0 1M',
    `-P 0 1M ${last - MIB}`,
    `-P 2 ${last} 1400`,
    `-P 0 ${last + 1400} 324`,
  ];
  const reads = wanted.flatMap((one) => ['-c', `read ${one}`]);
  await must('qemu-io', ['-f', 'qcow2', ...reads, device]);
});
