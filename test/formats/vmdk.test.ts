import { constants, readFileSync, statSync, writeFileSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { Maker } from '../../tools/lib/image-maker.js';
import { descriptorText, hostedExtent } from '../../tools/lib/vmdk-maker.js';
import { cpuTime } from '../helpers/cpu-time.js';
import { FileAgent } from '../helpers/file-agent.js';
import { sameBytes } from '../helpers/same-bytes.js';
import { withMount } from '../helpers/sluice-mount.js';
import { pattern, TMPFS, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';
import { compareWithQemu, mapOf } from './compare-with-qemu.js';
import { qemuMountTest } from './needs.js';
import { VMDK_VARIANTS } from './vmdk-variants.js';

const KIB = 1024;
const MIB = 1 << 20;
const GIB = 2 ** 30;
const DISK = '/var/tmp';
const SEEK_DATA = 3;
const KEEP_AND_PUNCH = 0x03;

qemuMountTest('vmdk: reads equal qemu-img convert, maps and seeks its map', async (t) => {
  await compareWithQemu(t, VMDK_VARIANTS, TMPFS);
});

qemuMountTest('vmdk on a disk: reads equal qemu-img convert, maps and seeks its map', async (t) => {
  const some = VMDK_VARIANTS.filter((_, index) => index % 3 === 0);
  await compareWithQemu(t, some, DISK);
});

/** Where data is written in disks of 2040 GiB: start, length and byte. */
const ISLANDS = [
  [0, 64 * KIB, 1],
  [1000 * GIB, 128 * KIB, 2],
  [2040 * GIB - MIB, MIB, 3],
] as const;

qemuMountTest('vmdk: 2 TiB without data are mounted and mapped at once', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  // The one in pieces has 1021 files. Both have all of their tables: 128 MiB, nearly all of it holes.
  const names = ['monolithicSparse', 'twoGbMaxExtentSparse'];
  for (const name of names) {
    maker.img('create', '-q', '-f', 'vmdk', '-o', `subformat=${name}`, `${name}.vmdk`, '2040G');
    const writes = ISLANDS.map(([start, length, byte]) => `write -P ${byte} ${start} ${length}`);
    maker.io(`${name}.vmdk`, 'vmdk', ...writes);
    let text = '';
    const took = cpuTime(() => {
      text = mapOf(maker.path(`${name}.vmdk`), 'vmdk');
    });
    // (qemu-img map takes 8 s.)
    t.true(took < 4000, `${took} ms`);
    const entries = JSON.parse(text) as Record<string, unknown>[];
    const data = entries.filter((entry) => entry.data === true);
    t.deepEqual(
      data.map(({ start, length }) => [start, length]),
      ISLANDS.map(([start, length]) => [start, length]),
    );
  }
  const images = names.map((name) => maker.path(`${name}.vmdk`));
  await withMount(t, images, ['--read-only'], async (mount) => {
    const agent = new FileAgent(t);
    for (const name of names) {
      const fd = await agent.open(mount.file(name), constants.O_RDONLY);
      for (const [start, length, byte] of ISLANDS) {
        const from = Math.max(0, start - 512);
        const expected = Buffer.alloc(length + start - from, byte).fill(0, 0, start - from);
        sameBytes(t, (await agent.read(fd, from, expected.length)).bytes, expected);
      }
      t.is(await agent.result({ call: 'lseek', fd, offset: MIB, whence: SEEK_DATA }), 1000 * GIB);
      await agent.close(fd);
    }
  });
});

/** The content ID that a descriptor has. */
function cidOf(path: string): string {
  return /^CID=([0-9a-f]+)/m.exec(readFileSync(path, 'latin1'))![1]!;
}

/** A disk in three flat extents, one of which begins within its file. */
function makeFlat(maker: Maker, sizes: readonly [number, number, number]) {
  const content = pattern(sizes[0] + sizes[1] + sizes[2], 5);
  const ends = [sizes[0], sizes[0] + sizes[1]];
  writeFileSync(maker.path('a-f001.vmdk'), content.subarray(0, ends[0]));
  writeFileSync(maker.path('a-f002.vmdk'), content.subarray(ends[0], ends[1]));
  const before = Buffer.alloc(8 * KIB, 'x');
  writeFileSync(maker.path('a-f003.vmdk'), Buffer.concat([before, content.subarray(ends[1])]));
  const lines = sizes.map((bytes, index) => {
    return `RW ${bytes / 512} FLAT "a-f00${index + 1}.vmdk" ${index === 2 ? 16 : 0}`;
  });
  const text = descriptorText(lines).replace('"custom"', '"twoGbMaxExtentFlat"');
  writeFileSync(maker.path('a.vmdk'), text);
  return { path: maker.path('a.vmdk'), content };
}

for (const [what, base, sizes, words] of [
  ['in memory', TMPFS, [MIB, 512 * KIB, MIB], []],
  ['directly', DISK, [MIB, 512 * KIB, MIB], []],
  ['in odd pieces', DISK, [MIB + 512, 512 * KIB, 1536], []],
  ['through libfuse', DISK, [MIB, 512 * KIB, MIB], ['--transport', 'fuse-native']],
] as const) {
  qemuMountTest(`vmdk: flat extents are written in place, ${what}`, async (t) => {
    const maker = new Maker(tempFolder(t, base));
    const { path, content } = makeFlat(maker, sizes);
    await withMount(t, [path], [...words], async (mount) => {
      t.is(cidOf(path), '12345678');
      const agent = new FileAgent(t);
      const fd = await agent.open(mount.file('a'), constants.O_RDWR);
      const border = sizes[0];
      const writes = [
        ...[0, 4096, border - 4096, border, border - 100, border + sizes[1] - 512],
        ...[content.length - 512, content.length - 1000, 70_001, 1],
      ];
      for (const [index, offset] of writes.entries()) {
        const length = Math.min(content.length - offset, index % 2 === 0 ? 8192 : 5000 + index);
        const bytes = pattern(length, 100 + index);
        bytes.copy(content, offset);
        t.is(await agent.write(fd, offset, bytes), length);
      }
      t.is(await agent.result({ call: 'fsync', fd }), 0);
      if (!words.includes('fuse-native' as never)) {
        const zeroed = { fd, mode: KEEP_AND_PUNCH, offset: border - 10_000, length: 20_000 };
        t.is(await agent.result({ call: 'fallocate', ...zeroed }), 0);
        content.fill(0, border - 10_000, border + 10_000);
      }
      sameBytes(t, (await agent.read(fd, 0, content.length)).bytes, content);
      await agent.close(fd);
    });
    // The disk has changed, so it has another content ID; and nothing else has.
    t.not(cidOf(path), '12345678');
    t.is(statSync(maker.path('a-f003.vmdk')).size, sizes[2] + 8 * KIB);
    t.true(
      readFileSync(maker.path('a-f003.vmdk'))
        .subarray(0, 8 * KIB)
        .equals(Buffer.alloc(8 * KIB, 'x')),
    );
    maker.img('convert', '-f', 'vmdk', '-O', 'raw', 'a.vmdk', 'raw');
    sameBytes(t, readFileSync(maker.path('raw')), content);
  });
}

qemuMountTest('vmdk: a flat disk that is not written keeps its content ID', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  maker.img('create', '-q', '-f', 'vmdk', '-o', 'subformat=monolithicFlat', 'a.vmdk', '1M');
  maker.img('create', '-q', '-f', 'vmdk', '-b', 'a.vmdk', '-F', 'vmdk', 'over.vmdk', '1M');
  const before = readFileSync(maker.path('a.vmdk'));
  const agent = new FileAgent(t);
  for (const isWritten of [false, true]) {
    await withMount(t, [maker.path('a.vmdk')], [], async (mount) => {
      const fd = await agent.open(mount.file('a'), constants.O_RDWR);
      t.is((await agent.read(fd, 0, 4096)).bytes.length, 4096);
      if (isWritten) t.is(await agent.write(fd, 0, Buffer.alloc(512, 1)), 512);
      await agent.close(fd);
    });
    t.is(readFileSync(maker.path('a.vmdk')).equals(before), !isWritten);
    const ended = await warmSluice(['map', maker.path('over.vmdk')]);
    t.is(ended.code, isWritten ? 3 : 0, ended.stderr);
  }
});

/** Mounts for writing, which must be refused in one line. */
async function refusesWriting(t: ExecutionContext, path: string, says: RegExp): Promise<void> {
  const ended = await warmSluice(['mount', path, tempFolder(t)]);
  t.is(ended.code, 3, ended.stderr);
  t.regex(ended.stderr, says);
  t.is(ended.stderr.split('\n').length, 2);
}

qemuMountTest('vmdk: what cannot be written in place is refused with the ways out', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  const write = (name: string, bytes: string | Buffer) => {
    writeFileSync(maker.path(name), bytes);
    return maker.path(name);
  };
  write('f', Buffer.alloc(1024));
  const ways =
    '--overlay FILE keeps what is written in a file of its own, --read-only writes nothing';
  for (const [extents, more, why] of [
    [['RW 2 FLAT "f" 0', 'RW 2 ZERO'], [], 'of the kind custom'],
    [['RDONLY 2 FLAT "f" 0'], [], 'with an extent that is not for writing'],
    [['RW 3 FLAT "f" 0'], [], 'with a file that ends before its extent'],
    [['RW 2 FLAT "f" 0'], ['changeTrackPath="f-ctk"'], 'whose changes are tracked for backups'],
  ] as const) {
    const path = write('a.vmdk', descriptorText(extents, more));
    await refusesWriting(
      t,
      path,
      new RegExp(`a\\.vmdk: a VMDK ${why} cannot be written; ${ways}$`, 'm'),
    );
  }
  const descriptor = descriptorText(['RW 128 SPARSE "b.vmdk"']).replace(
    'custom',
    'monolithicSparse',
  );
  const sparse = hostedExtent({ capacity: 128, grains: new Map(), descriptor });
  await refusesWriting(t, write('b.vmdk', sparse), /a VMDK of the kind monolithicSparse cannot be/);
});

qemuMountTest('vmdk: writes go to an overlay, which is good for QEMU', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  const content = pattern(MIB, 3);
  writeFileSync(maker.path('raw'), content);
  maker.img(
    'convert',
    '-O',
    'vmdk',
    '-o',
    'subformat=streamOptimized',
    '-f',
    'raw',
    'raw',
    'a.vmdk',
  );
  const image = maker.path('a.vmdk');
  const before = readFileSync(image);
  const overlay = maker.path('over.qcow2');
  await withMount(t, [`disk=${image}`], ['--overlay', overlay], async (mount) => {
    const agent = new FileAgent(t);
    const fd = await agent.open(mount.file(), constants.O_RDWR);
    const bytes = pattern(10_000, 4);
    bytes.copy(content, 70_000);
    t.is(await agent.write(fd, 70_000, bytes), bytes.length);
    sameBytes(t, (await agent.read(fd, 0, MIB)).bytes, content);
    await agent.close(fd);
  });
  t.true(readFileSync(image).equals(before));
  maker.img('convert', '-f', 'qcow2', '-O', 'raw', 'over.qcow2', 'raw');
  sameBytes(t, readFileSync(maker.path('raw')), content);
});
