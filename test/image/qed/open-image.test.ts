import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { describeImage } from '../../../src/image/describe.js';
import { Maker } from '../../../tools/lib/image-maker.js';
import { qemuTest } from '../../formats/needs.js';
import { mapOfImage, readImage } from '../../helpers/read-image.js';
import { sameBytes } from '../../helpers/same-bytes.js';
import { pattern, TMPFS, tempFolder } from '../../helpers/temp.js';

const AUTO = { format: 'auto', backingFormats: [], snapshot: null };

interface Fields {
  clusterBytes?: number;
  tableClusters?: number;
  headerClusters?: number;
  features?: bigint;
  tableOffset?: bigint;
  size?: bigint;
  nameOffset?: number;
  nameBytes?: number;
}

/** An image with clusters of 4 KiB: header, L1 table, L2 table, data. */
function makeQed(t: ExecutionContext, fields: Fields, entries: bigint[], data: Buffer): string {
  const front = Buffer.alloc(3 * 4096);
  front.write('QED\0', 0, 'latin1');
  front.writeUInt32LE(fields.clusterBytes ?? 4096, 4);
  front.writeUInt32LE(fields.tableClusters ?? 1, 8);
  front.writeUInt32LE(fields.headerClusters ?? 1, 12);
  front.writeBigUInt64LE(fields.features ?? 0n, 16);
  front.writeBigUInt64LE(fields.tableOffset ?? 4096n, 40);
  front.writeBigUInt64LE(fields.size ?? 16384n, 48);
  front.writeUInt32LE(fields.nameOffset ?? 0, 56);
  front.writeUInt32LE(fields.nameBytes ?? 0, 60);
  front.writeBigUInt64LE(8192n, 4096);
  for (const [index, entry] of entries.entries()) front.writeBigUInt64LE(entry, 8192 + index * 8);
  const path = join(tempFolder(t, TMPFS), 'vm.qed');
  writeFileSync(path, Buffer.concat([front, data]));
  return path;
}

test('clusters that are there, missing, zero and broken', async (t) => {
  const path = makeQed(t, {}, [12288n, 0n, 1n, 12289n], pattern(4096, 1));
  const whole = Buffer.concat([pattern(4096, 1), Buffer.alloc(8192)]);
  sameBytes(t, await readImage(path, { length: 12288 }), whole);
  const shown = makeQed(t, { size: 12288n }, [12288n, 0n, 1n], pattern(4096, 1));
  const map = mapOfImage(shown).map(({ present, data }) => [present, data]);
  t.deepEqual(map, [
    [true, true],
    [false, false],
    [true, false],
  ]);
  await t.throwsAsync(readImage(path), { message: /^errno 5 at/ });
});

qemuTest(
  'an image of qemu-img with a backing file, whose format it tells if it is raw',
  async (t) => {
    const maker = new Maker(tempFolder(t, TMPFS));
    // That it looks like another format does not matter.
    const base = Buffer.concat([Buffer.from('QFI\xfb', 'latin1'), pattern(200_000 - 4, 3)]);
    writeFileSync(maker.path('base'), base);
    maker.img('create', '-q', '-f', 'qed', '-b', 'base', '-F', 'raw', 'top.qed', '400k');
    maker.io('top.qed', 'qed', 'write -P 7 4000 9000', 'write -z 128k 64k');
    const whole = Buffer.concat([base, Buffer.alloc(400 * 1024 - base.length)]);
    whole.fill(7, 4000, 13000);
    whole.fill(0, 131072, 196608);
    sameBytes(t, await readImage(maker.path('top.qed')), whole);
  },
);

test('what cannot be right or is not known is refused', (t) => {
  const told = (fields: Fields): string => {
    return describeImage(makeQed(t, fields, [], Buffer.alloc(0)), AUTO).problems[0] ?? 'taken';
  };
  t.is(told({}), 'taken');
  t.is(told({ features: 2n }), 'it was not closed; qemu-img check -r all repairs it');
  for (const features of [8n, 2n ** 63n])
    t.is(told({ features }), 'it has features that are not known here');
  for (const clusterBytes of [0, 2048, 12288, 2 ** 27])
    t.regex(told({ clusterBytes }), /^clusters of/);
  for (const tableClusters of [0, 3, 32, 0xffffffff])
    t.regex(told({ tableClusters }), /^clusters of/);
  t.regex(told({ size: 2n ** 64n - 1n }), /above 2\^53/);
  t.is(told({ size: 2n ** 40n }), 'its tables are too small for its size');
  t.is(told({ tableOffset: 0n }), 'its L1 table does not lie in the file');
  const outside = 'the name of its backing file does not lie in the header';
  for (const [nameOffset, nameBytes] of [
    [64, 0],
    [64, 1024],
    [4090, 7],
    [0xffffffff, 1],
  ] as const) {
    t.is(told({ features: 1n, nameOffset, nameBytes }), outside);
  }
});
