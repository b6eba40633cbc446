import { constants } from 'node:fs';
import { Maker } from '../../tools/lib/image-maker.js';
import { FileAgent } from '../helpers/file-agent.js';
import { must } from '../helpers/run.js';
import { withMount } from '../helpers/sluice-mount.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';
import { qemuMountTest } from './needs.js';

const MIB = 1 << 20;

/** Makes a base of 2 MiB full of ones, an overlay of 1 MiB, and an overlay of 2 MiB over that. */
function makeChain(maker: Maker, format: 'qcow2' | 'raw'): void {
  if (format === 'raw') maker.raw('base', 2 * MIB);
  else maker.create('base', '2M');
  maker.io('base', format, 'write -P 1 0 2M');
  maker.create('middle', '1M', '', '-b', 'base', '-F', format);
  maker.create('top.qcow2', '2M', '', '-b', 'middle', '-F', 'qcow2');
}

async function reads(file: string, format: string, ...wanted: string[]): Promise<void> {
  const words = wanted.flatMap((one) => ['-c', `read ${one}`]);
  await must('qemu-io', ['-r', '-f', format, ...words, file]);
}

for (const format of ['qcow2', 'raw'] as const) {
  qemuMountTest(`a short layer hides what a longer ${format} one below it has`, async (t) => {
    const maker = new Maker(tempFolder(t, TMPFS));
    makeChain(maker, format);
    const image = maker.path('top.qcow2');
    const mapped = await warmSluice(['map', image, '--json']);
    const entries = JSON.parse(mapped.stdout) as Record<string, unknown>[];
    t.is(entries.length, 2);
    const [below, hidden] = entries;
    t.like(below, { start: 0, length: MIB, depth: 2, present: true, zero: false, data: true });
    t.deepEqual(hidden, {
      ...{ start: MIB, length: MIB, depth: 0 },
      ...{ present: false, zero: true, data: false },
    });
    await withMount(t, [image], ['--read-only'], (mount) => {
      return reads(mount.file('top'), 'raw', '-P 1 0 1M', '-P 0 1M 1M', '-P 1 1048064 512');
    });
  });

  qemuMountTest(
    `writing behind a short layer brings nothing of the ${format} base up`,
    async (t) => {
      const maker = new Maker(tempFolder(t, TMPFS));
      makeChain(maker, format);
      const image = maker.path('top.qcow2');
      const agent = new FileAgent(t);
      await withMount(t, [image], [], async (mount) => {
        const fd = await agent.open(mount.file('top'), constants.O_RDWR);
        // Parts of clusters: across the end of the short layer, and past it.
        t.is(await agent.write(fd, MIB - 512, Buffer.alloc(1024, 9)), 1024);
        t.is(await agent.write(fd, MIB + 300_000, Buffer.alloc(1000, 8)), 1000);
        // Zeros: over data, across the end, and past it.
        for (const [offset, length] of [
          [0, 1000],
          [MIB - 70_000, 100],
          [2 * MIB - 65_536, 65_536],
        ] as const) {
          t.is(await agent.result({ call: 'fallocate', fd, mode: 3, offset, length }), 0);
        }
        await agent.close(fd);
      });
      await must('qemu-img', ['check', '-f', 'qcow2', image]);
      const wanted = [
        '-P 0 0 1000',
        '-P 1 1000 977576',
        '-P 0 978576 100',
        '-P 1 978676 69388',
        '-P 9 1048064 1024',
        '-P 0 1049088 299488',
        '-P 8 1348576 1000',
        '-P 0 1349576 747576',
      ];
      await reads(image, 'qcow2', ...wanted);
      await withMount(t, [image], ['--read-only'], (mount) =>
        reads(mount.file('top'), 'raw', ...wanted),
      );
    },
  );
}

qemuMountTest('a layer in the middle that is longer than both is cut by the top', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  maker.create('base', '1M');
  maker.io('base', 'qcow2', 'write -P 1 0 1M');
  maker.create('middle', '3M', '', '-b', 'base', '-F', 'qcow2');
  maker.io('middle', 'qcow2', 'write -P 2 2560k 512k');
  maker.create('top.qcow2', String(2 * MIB + 512 * 1024 + 512), '', '-b', 'middle', '-F', 'qcow2');
  const image = maker.path('top.qcow2');
  const agent = new FileAgent(t);
  await withMount(t, [image], [], async (mount) => {
    t.is(await agent.size(mount.file('top')), 2_621_952);
    await reads(mount.file('top'), 'raw', '-P 1 0 1M', '-P 0 1M 1536k', '-P 2 2560k 512');
    const fd = await agent.open(mount.file('top'), constants.O_RDWR);
    t.is(await agent.write(fd, 2560 * 1024 + 100, Buffer.alloc(100, 7)), 100);
    await agent.close(fd);
  });
  await must('qemu-img', ['check', '-f', 'qcow2', image]);
  await reads(image, 'qcow2', '-P 2 2560k 100', '-P 7 2621540 100', '-P 2 2621640 312');
});
