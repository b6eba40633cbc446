import { closeSync, mkdirSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { Maker } from '../../tools/lib/image-maker.js';
import { Control } from '../helpers/control.js';
import { loopDevice, mountFileSystem } from '../helpers/loop-device.js';
import { makeTable, told, writeTable } from '../helpers/partition-tools.js';
import { requires } from '../helpers/requires.js';
import { must, run, sluice } from '../helpers/run.js';
import { type SluiceMount, startMount, withMount } from '../helpers/sluice-mount.js';
import { MIB, patternFile, sparseFile, TMPFS, tempFolder } from '../helpers/temp.js';

const partitionTest = requires('fuse', 'root', 'io_uring', 'sfdisk');
const qemuTest = requires('fuse', 'root', 'io_uring', 'sfdisk', 'qemu');
const loopTest = requires('fuse', 'root', 'io_uring', 'sfdisk', 'loop');
const ext4Test = requires('fuse', 'root', 'io_uring', 'sfdisk', 'loop', 'e2fsprogs');

const GPT = 'label: gpt\nsize=16384,name=one\nsize=8192,name=two\n';
const MBR =
  'label: dos\nsize=8192,type=83\ntype=5\nsize=8192,type=83\nsize=4096,type=82,bootable\n';

/** A disk of 32 MiB full of noise, with a table. */
function noisyDisk(folder: string, script: string, name = 'disk.img'): string {
  const path = patternFile(join(folder, name), 32 * MIB);
  return withTable(path, script);
}

function withTable(path: string, script: string): string {
  const scratch = makeTable(`${path}.table`, statSync(path).size, script);
  // Tables lie in the MiB before a partition, and at the end of the disk.
  const end = { start: statSync(path).size };
  for (const { start } of [...told(scratch).partitions, end]) {
    const from = Math.max(0, start - MIB);
    copyRange(scratch, path, from, start - from);
  }
  return path;
}

function copyRange(from: string, to: string, offset: number, length: number): void {
  const bytes = readFileSync(from).subarray(offset, offset + length);
  const file = openSync(to, 'r+');
  writeSync(file, bytes, 0, bytes.length, offset);
  closeSync(file);
}

/** Names of the image files in a mount, sorted. */
async function listed(mount: SluiceMount): Promise<string[]> {
  return (await must('ls', [mount.point])).trimEnd().split('\n');
}

/** Writes a table through the mount. */
function write(mount: SluiceMount, script: string, name = 'disk'): Promise<string> {
  const words = ['-c', `printf '${script}' | sfdisk -q --wipe never "$0"`, mount.file(name)];
  return must('bash', words);
}

/** Each partition that sfdisk finds in `image` must be in the mount, byte for byte. */
async function checkFiles(t: ExecutionContext, mount: SluiceMount, image: string): Promise<void> {
  const content = readFileSync(image);
  const partitions = told(image).partitions.filter(({ isExtended }) => !isExtended);
  const names = ['disk.raw', ...partitions.map(({ number }) => `disk.p${number}.raw`)];
  t.deepEqual(await listed(mount), names.sort());
  for (const { number, start, size } of partitions) {
    const shown = await must('sha256sum', [mount.file(`disk.p${number}`)]);
    const part = join(t.title.length > 0 ? `${image}.part` : '', '');
    const file = openSync(part, 'w');
    writeSync(file, content.subarray(start, start + size));
    closeSync(file);
    const expected = await must('sha256sum', [part]);
    t.is(shown.split(' ')[0], expected.split(' ')[0], `p${number}`);
  }
}

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
    await must('losetup', ['-d', device]);
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

for (const transport of ['uring', 'fuse-native']) {
  partitionTest(
    `${transport}: a table that is written through the mount counts at once`,
    async (t) => {
      const image = sparseFile(join(tempFolder(t, TMPFS), 'disk.img'), 32 * MIB);
      await withMount(t, [image], ['--transport', transport], async (mount) => {
        t.deepEqual(await listed(mount), ['disk.raw']);
        await write(mount, MBR.replaceAll('\n', '\\n'));
        t.deepEqual(await listed(mount), ['disk.p1.raw', 'disk.p5.raw', 'disk.p6.raw', 'disk.raw']);
        await checkFiles(t, mount, image);
        await write(mount, GPT.replaceAll('\n', '\\n'));
        t.deepEqual(await listed(mount), ['disk.p1.raw', 'disk.p2.raw', 'disk.raw']);
        await checkFiles(t, mount, image);
        await must('dd', [
          'if=/dev/zero',
          `of=${mount.file()}`,
          'bs=1M',
          'count=1',
          'conv=notrunc',
        ]);
        // The close is told to the daemon behind the back of dd.
        await must('bash', [
          '-c',
          'until [ "$(ls "$0")" = disk.raw ]; do sleep 0.01; done',
          mount.point,
        ]);
      });
    },
  );
}

partitionTest('a partition in use keeps its place, and may grow', async (t) => {
  const folder = tempFolder(t, TMPFS);
  const script = 'label: dos\\nstart=2048,size=2048\\nstart=8192,size=2048\\n';
  const image = makeTable(join(folder, 'disk.img'), 32 * MIB, script.replaceAll('\\n', '\n'));
  const allowed = /is in use and keeps its place/;
  await withMount(
    t,
    [image],
    [],
    async (mount) => {
      const holders = ['disk.p1', 'disk.p2'].map((name) => openSync(mount.file(name), 'r+'));
      t.teardown(() => {
        for (const file of holders.splice(0)) closeSync(file);
      });
      await write(mount, 'label: dos\\nstart=4096,size=2048\\nstart=8192,size=4096\\n');
      // The kernel keeps the size of a file for a second.
      const long = 'until [ $(stat -c %s "$0") = 2097152 ]; do sleep 0.01; done';
      await must('bash', ['-c', long, mount.file('disk.p2')]);
      writeSync(holders[0]!, Buffer.from('here'), 0, 4, 0);
      t.is(readFileSync(image).toString('latin1', MIB, MIB + 4), 'here');
      for (const file of holders.splice(0)) closeSync(file);
      const marked = 'printf there | dd of="$0" conv=notrunc,fsync status=none; sync "$0"';
      const start =
        'until [ "$(dd if="$0" bs=4 count=1 status=none | tr -d "\\0")" = "" ]; do sleep 0.01; done';
      await must('bash', ['-c', start, mount.file('disk.p1')]);
      await must('bash', ['-c', marked, mount.file('disk.p1')]);
      t.is(readFileSync(image).toString('latin1', 2 * MIB, 2 * MIB + 5), 'there');
    },
    allowed,
  );
});

partitionTest('a partition has a group of its own, or is charged as its image', async (t) => {
  const image = noisyDisk(tempFolder(t, TMPFS), GPT);
  const words = ['--group', 'gold', '--group', 'silver', '--assign', 'disk.p1=gold'];
  await withMount(t, [image], [...words, '--assign', 'disk=silver'], async (mount) => {
    const control = new Control(mount);
    const read = (name: string, count: number) =>
      must('dd', [
        ...[`if=${mount.file(name)}`, 'of=/dev/null', 'bs=4k', 'iflag=direct', 'status=none'],
        `count=${count}`,
      ]);
    const rios = async (group: string, member: string) =>
      (await control.figures(group, member))?.rios;
    await read('disk.p1', 3);
    await read('disk.p2', 5);
    await read('disk', 7);
    t.is(await rios('gold', 'disk.p1'), 3);
    t.is(await rios('silver', 'disk'), 12);
    t.is(await control.read('gold/members'), 'disk.p1\n');
    await control.must('echo disk.p2 > gold/members; echo -disk.p1 > gold/members');
    await read('disk.p1', 2);
    await read('disk.p2', 4);
    t.is(await rios('silver', 'disk'), 14);
    t.is(await rios('gold', 'disk.p2'), 4);
    t.is(await control.read('gold/members'), 'disk.p2\n');
    const { code } = await control.shell('echo disk.p3 > gold/members');
    t.not(code, 0);
    t.is(
      await control.read('refused'),
      'gold/members: disk.p3: there is no such partition; partitions: disk.p1, disk.p2\n',
    );
  });
});

partitionTest('names: no partitions, clashes, an assignment that has no partition', async (t) => {
  const folder = tempFolder(t, TMPFS);
  const image = makeTable(join(folder, 'disk.img'), 32 * MIB, GPT);
  const other = sparseFile(join(folder, 'disk.p1.img'), MIB);
  await withMount(t, [image, other], ['--no-partitions'], async (mount) => {
    t.deepEqual(await listed(mount), ['disk.p1.raw', 'disk.raw']);
    t.is(statSync(mount.file('disk.p1')).size, MIB);
  });
  const point = join(folder, 'mnt');
  mkdirSync(point);
  const clash = await sluice(['mount', image, other, point]);
  t.is(clash.code, 2);
  t.is(
    clash.stderr,
    `sluice: mount: ${other}: the name "disk.p1" is that of partition 1 of ${image}; give one of them another name with NAME=IMAGE, or use --no-partitions\n`,
  );
  const missing = await sluice([
    ...['mount', image, point, '--group', 'gold', '--assign', 'disk.p3=gold'],
  ]);
  t.not(missing.code, 0);
  t.regex(
    missing.stderr,
    /--assign disk.p3=gold: disk.p3: there is no such partition; partitions: disk.p1, disk.p2\n$/,
  );
});

partitionTest('a partition that would take the name of an image is not shown', async (t) => {
  const folder = tempFolder(t, TMPFS);
  const image = sparseFile(join(folder, 'disk.img'), 32 * MIB);
  const other = sparseFile(join(folder, 'disk.p1.img'), MIB);
  const allowed = /partition table: p1 is not shown: there is another disk.p1.raw$/;
  await withMount(
    t,
    [image, other],
    [],
    async (mount) => {
      await write(mount, GPT.replaceAll('\n', '\\n'));
      t.deepEqual(await listed(mount), ['disk.p1.raw', 'disk.p2.raw', 'disk.raw']);
      t.is(statSync(mount.file('disk.p1')).size, MIB);
    },
    allowed,
  );
});

partitionTest('faults of a table are one line of the log, and the rest is shown', async (t) => {
  const folder = tempFolder(t, TMPFS);
  const image = makeTable(join(folder, 'disk.img'), 32 * MIB, GPT);
  const file = openSync(image, 'r+');
  writeSync(file, Buffer.alloc(8), 0, 8, 512);
  closeSync(file);
  const mount = await startMount(t, [image]);
  t.deepEqual(await listed(mount), ['disk.p1.raw', 'disk.p2.raw', 'disk.raw']);
  t.is((await mount.umount()).code, 0);
  await mount.checkGone(t, /: partition table: the first GPT: there is no header$/);
  t.is(mount.log.split('partition table').length, 2);
});

partitionTest('a read-only mount shows partitions that cannot be written', async (t) => {
  const image = noisyDisk(tempFolder(t, TMPFS), MBR);
  await withMount(t, [image], ['--read-only'], async (mount) => {
    await checkFiles(t, mount, image);
    t.throws(() => openSync(mount.file('disk.p1'), 'r+'), { code: 'EROFS' });
  });
});

partitionTest('sluice partitions reads tables again, and lists what is shown', async (t) => {
  const folder = tempFolder(t, TMPFS);
  const image = sparseFile(join(folder, 'disk.img'), 32 * MIB);
  const other = makeTable(join(folder, 'my disk.img'), 32 * MIB, MBR);
  await withMount(t, [image, other], ['--no-direct'], async (mount) => {
    const list = async (...words: string[]) => {
      const { stdout } = await sluice(['partitions', mount.point, ...words, '--json']);
      return JSON.parse(stdout).map(({ name }: { name: string }) => name);
    };
    const others = ['my disk.p1', 'my disk.p5', 'my disk.p6'];
    t.deepEqual(await list(), others);
    writeTable(image, GPT);
    t.deepEqual(await listed(mount), [
      'disk.raw',
      ...others.map((one) => `${one}.raw`),
      'my disk.raw',
    ]);
    t.deepEqual(await list('my disk'), others);
    t.deepEqual(await list('disk'), ['disk.p1', 'disk.p2']);
    t.deepEqual(await list(), ['disk.p1', 'disk.p2', ...others]);
    const { stdout } = await sluice(['partitions', mount.point, 'disk']);
    t.regex(stdout, /^disk.p2 +\d+ +4 MiB +Linux filesystem +"two"$/m);
    const unknown = await sluice(['partitions', mount.point, 'none']);
    const message = 'sluice: partitions: none: there is no such image; images: disk, my disk\n';
    t.deepEqual([unknown.code, unknown.stderr], [2, message]);
  });
  await withMount(t, [image], ['--no-partitions'], async (mount) => {
    const { code, stderr } = await sluice(['partitions', mount.point]);
    const why = 'partitions are not shown: mounted with --no-partitions';
    t.deepEqual([code, stderr], [1, `sluice: partitions: ${why}\n`]);
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

partitionTest('an image that is passed through shows no partitions', async (t) => {
  const image = noisyDisk(tempFolder(t, TMPFS), GPT);
  const other = makeTable(`${image}.other.img`, 32 * MIB, GPT);
  const words = ['--growable', '--passthrough', 'disk'];
  await withMount(t, [image, `other=${other}`], words, async (mount) => {
    t.deepEqual(await listed(mount), ['disk.raw', 'other.p1.raw', 'other.p2.raw', 'other.raw']);
    await must('cmp', [mount.file(), image]);
  });
});

partitionTest('a partition whose name would be too long is told, and not shown', async (t) => {
  const image = makeTable(join(tempFolder(t, TMPFS), 'disk.img'), 32 * MIB, GPT);
  const name = 'n'.repeat(250);
  const mount = await startMount(t, [`${name}=${image}`]);
  t.deepEqual(await listed(mount), [`${name}.raw`]);
  t.is((await mount.umount()).code, 0);
  const why = (number: number) => `p${number} is not shown: its name would be too long`;
  await mount.checkGone(t, /partition table: p1 is not shown/);
  t.true(mount.log.includes(`${image}: partition table: ${why(1)}; ${why(2)}\n`), mount.log);
});
