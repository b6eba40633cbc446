import { closeSync, mkdirSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Control } from '../helpers/control.js';
import {
  checkFiles,
  GPT,
  listed,
  MBR,
  noisyDisk,
  writeThrough,
} from '../helpers/partition-disks.js';
import { makeTable, writeTable } from '../helpers/partition-tools.js';
import { requires } from '../helpers/requires.js';
import { must, sluice } from '../helpers/run.js';
import { startMount, withMount } from '../helpers/sluice-mount.js';
import { MIB, sparseFile, TMPFS, tempFolder } from '../helpers/temp.js';

const partitionTest = requires('fuse', 'root', 'io_uring', 'sfdisk');

/** MBR, header and 128 entries. */
const GPT_BYTES = 34 * 512;

for (const transport of ['uring', 'fuse-native']) {
  partitionTest(
    `${transport}: a table that is written through the mount counts at once`,
    async (t) => {
      const image = sparseFile(join(tempFolder(t, TMPFS), 'disk.img'), 32 * MIB);
      await withMount(t, [image], ['--transport', transport], async (mount) => {
        t.deepEqual(await listed(mount), ['disk.raw']);
        await writeThrough(mount, MBR);
        t.deepEqual(await listed(mount), ['disk.p1.raw', 'disk.p5.raw', 'disk.p6.raw', 'disk.raw']);
        await checkFiles(t, mount, image);
        await writeThrough(mount, GPT);
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
  const script = 'label: dos\nstart=2048,size=2048\nstart=8192,size=2048\n';
  const image = makeTable(join(folder, 'disk.img'), 32 * MIB, script);
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
      await writeThrough(mount, 'label: dos\nstart=4096,size=2048\nstart=8192,size=4096\n');
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
      await writeThrough(mount, GPT);
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

for (const transport of ['uring', 'fuse-native']) {
  partitionTest(`${transport}: ten thousand partitions are ten thousand files`, async (t) => {
    const folder = tempFolder(t, TMPFS);
    const script = `label: gpt\n${'size=2048\n'.repeat(100)}`;
    const size = 128 * MIB;
    const content = readFileSync(makeTable(join(folder, 'table.img'), size, script));
    const images = Array.from({ length: 100 }, (_, index) => {
      const path = sparseFile(join(folder, `i${index}.img`), size);
      const file = openSync(path, 'r+');
      writeSync(file, content, 0, GPT_BYTES, 0);
      writeSync(file, content, size - GPT_BYTES, GPT_BYTES, size - GPT_BYTES);
      closeSync(file);
      return path;
    });
    const mount = await startMount(t, images, ['--transport', transport]);
    const names = await listed(mount);
    t.is(names.length, 100 * 101);
    t.is(new Set(names).size, names.length);
    t.is(statSync(mount.file('i99.p100')).size, MIB);
    t.is((await mount.umount()).code, 0);
    await mount.checkGone(t);
  });
}
