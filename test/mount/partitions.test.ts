import { mkdirSync, openSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { Maker } from '../../tools/lib/image-maker.js';
import { detachLoop, loopDevice, mountFileSystem } from '../helpers/loop-device.js';
import { checkFiles, GPT, listed, MBR, noisyDisk } from '../helpers/partition-disks.js';
import { makeTable, told, writeTable } from '../helpers/partition-tools.js';
import { requires } from '../helpers/requires.js';
import { must, run } from '../helpers/run.js';
import { withMount } from '../helpers/sluice-mount.js';
import { MIB, sparseFile, TMPFS, tempFolder } from '../helpers/temp.js';

/** Of the second partition 2 MiB are within the first 4 MiB. */
const MBR_CUT = 'label: dos\nsize=2048\nsize=40960\n';

const partitionTest = requires('fuse', 'root', 'io_uring', 'sfdisk');
const qemuTest = requires('fuse', 'root', 'io_uring', 'sfdisk', 'qemu');
const loopTest = requires('fuse', 'root', 'io_uring', 'sfdisk', 'loop');
const ext4Test = requires('fuse', 'root', 'io_uring', 'sfdisk', 'loop', 'e2fsprogs', 'qemu');

for (const transport of ['uring', 'fuse-native']) {
  for (const [label, script] of [
    ['GPT', GPT],
    ['MBR', MBR],
  ] as const) {
    partitionTest(`${transport}: the partitions of ${label} are files`, async (t) => {
      const image = noisyDisk(tempFolder(t, TMPFS), script);
      await withMount(t, [image], ['--transport', transport], async (mount) => {
        await checkFiles(t, mount, image);
        const { size } = statSync(mount.file('disk.p1'));
        t.is(size, told(image).partitions[0]!.size);
      });
    });
  }
}

qemuTest(
  'tables are read through the format: qcow2 with a backing file, and compressed',
  async (t) => {
    const folder = tempFolder(t, TMPFS);
    const image = noisyDisk(folder, MBR, 'plain.img');
    const maker = new Maker(folder);
    maker.img('convert', '-c', '-f', 'raw', '-O', 'qcow2', 'plain.img', 'base.qcow2');
    maker.img('create', '-q', '-f', 'qcow2', '-b', 'base.qcow2', '-F', 'qcow2', 'disk.qcow2');
    await withMount(t, [maker.path('disk.qcow2')], [], (mount) => checkFiles(t, mount, image));
  },
);

ext4Test('a file system in a partition is made, written and checked', async (t) => {
  const folder = tempFolder(t);
  const image = makeTable(join(folder, 'disk.img'), 64 * MIB, 'label: gpt\nsize=81920\n');
  const inside = join(folder, 'inside');
  mkdirSync(inside);
  await withMount(t, [image], [], async (mount) => {
    await must('mkfs.ext4', ['-q', mount.file('disk.p1')]);
    const device = await loopDevice(t, mount.file('disk.p1'));
    await mountFileSystem(t, [device], inside);
    await must('cp', ['-a', 'build/src', inside]);
    await must('umount', [inside]);
    await detachLoop(device);
    await must('e2fsck', ['-f', '-n', mount.file('disk.p1')]);
    await must('mount', ['-o', 'loop,ro', mount.file('disk.p1'), inside]);
    await must('diff', ['-r', 'build/src', join(inside, 'src')]);
    await must('umount', [inside]);
  });
  // The kernel's own view of the image must agree.
  const { start, size } = told(image).partitions[0]!;
  const device = await must('losetup', [
    ...['-f', '--show', '-o', String(start), '--sizelimit', String(size)],
    image,
  ]);
  t.teardown(() => run('losetup', ['-d', device.trim()]));
  await must('e2fsck', ['-f', '-n', device.trim()]);
});

ext4Test('a partition of a VMDK is mounted, as README.md has it', async (t) => {
  const folder = tempFolder(t);
  const raw = makeTable(join(folder, 'disk.img'), 16 * MIB, 'label: dos\nstart=2048,type=83\n');
  await must('mkfs.ext4', ['-q', '-E', 'offset=1048576', '-d', 'test', raw, '15M']);
  await must('qemu-img', ['convert', '-f', 'raw', '-O', 'vmdk', raw, join(folder, 'vm.vmdk')]);
  const inside = join(folder, 'fs');
  mkdirSync(inside);
  await withMount(t, [join(folder, 'vm.vmdk')], ['--read-only'], async (mount) => {
    await must('mount', ['-o', 'ro,loop', mount.file('vm.p1'), inside]);
    await must('diff', ['-r', 'test', inside, '--exclude=lost+found']);
    await must('umount', [inside]);
  });
});

partitionTest('a read-only mount shows partitions that cannot be written', async (t) => {
  const image = noisyDisk(tempFolder(t, TMPFS), MBR);
  await withMount(t, [image], ['--read-only'], async (mount) => {
    await checkFiles(t, mount, image);
    t.throws(() => openSync(mount.file('disk.p1'), 'r+'), { code: 'EROFS' });
  });
});

partitionTest(
  'with the page cache an open sees what was written through the other file',
  async (t) => {
    const image = noisyDisk(tempFolder(t, TMPFS), GPT);
    const { start } = told(image).partitions[0]!;
    await withMount(t, [image], ['--cache', 'page'], async (mount) => {
      const write = (name: string, at: number, text: string) =>
        must('bash', [
          '-c',
          `printf ${text} | dd of="$0" bs=1 seek=${at} conv=notrunc status=none`,
          mount.file(name),
        ]);
      const read = (name: string, at: number) =>
        must('dd', [`if=${mount.file(name)}`, 'bs=1', `skip=${at}`, 'count=4', 'status=none']);
      // The kernel has the page, and its own write to it is no reason to drop it.
      await write('disk.p1', 0, 'AAAA');
      t.is(await read('disk.p1', 0), 'AAAA');
      await write('disk.p1', 0, 'BBBB');
      await write('disk', start, 'CCCC');
      t.is(await read('disk.p1', 0), 'CCCC');
      await write('disk', start, 'DDDD');
      await write('disk.p1', 0, 'EEEE');
      t.is(await read('disk', start), 'EEEE');
    });
  },
);

loopTest('a block device with sectors of 4096 bytes counts in them', async (t) => {
  const folder = tempFolder(t);
  const backing = sparseFile(join(folder, 'disk.img'), 64 * MIB);
  const words = ['--find', '--show', '--sector-size', '4096', backing];
  const device = (await must('losetup', words)).trim();
  t.teardown(() => run('losetup', ['-d', device]));
  writeTable(device, 'label: dos\nsize=2048,type=83\ntype=5\nsize=1024\n');
  // The name of a partition's node has a p after that of a loop device.
  const { partitions, sectorSize } = told(device, 'p');
  t.is(sectorSize, 4096);
  const files = partitions.filter(({ isExtended }) => !isExtended);
  await withMount(t, [`disk=${device}`], [], async (mount) => {
    const shown = await must('cat', [join(mount.point, '.groups/partitions')]);
    const expected = files.map(({ number, start, size, type }) => {
      return `disk.p${number} start=${start} size=${size} type=${type} label=\n`;
    });
    t.is(shown, expected.join(''));
    t.is(expected.length, 2);
  });
});

partitionTest('a partition that the end of the image cuts has the size of its file', async (t) => {
  const image = makeTable(join(tempFolder(t, TMPFS), 'disk.img'), 64 * MIB, MBR_CUT);
  truncateSync(image, 4 * MIB);
  await withMount(
    t,
    [image],
    [],
    async (mount) => {
      const shown = await must('cat', [join(mount.point, '.groups/partitions')]);
      t.regex(
        shown,
        /^disk\.p1 start=1048576 size=1048576 .*\ndisk\.p2 start=2097152 size=2097152 /,
      );
      t.is(statSync(mount.file('disk.p2')).size, 2 * MIB);
    },
    /p2 ends behind the end of the image$/,
  );
});

partitionTest('an image that is passed through shows no partitions', async (t) => {
  const image = noisyDisk(tempFolder(t, TMPFS), GPT);
  const other = makeTable(`${image}.other.img`, 32 * MIB, GPT);
  const words = ['--growable', '--passthrough', 'disk'];
  await withMount(t, [image, `other=${other}`], words, async (mount) => {
    t.deepEqual(await listed(mount), ['disk.raw', 'other.p1.raw', 'other.p2.raw', 'other.raw']);
    await must('cmp', [mount.file(), image]);
  });
});
