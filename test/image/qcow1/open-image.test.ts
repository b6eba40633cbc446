import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { describeImage } from '../../../src/image/describe.js';
import { Maker } from '../../../tools/lib/image-maker.js';
import { qemuTest } from '../../formats/needs.js';
import { mapOfImage, readImage } from '../../helpers/read-image.js';
import { sameBytes } from '../../helpers/same-bytes.js';
import { pattern, TMPFS, tempFolder } from '../../helpers/temp.js';

const AUTO = { format: 'auto', backingFormats: [], snapshot: null };

interface Fields {
  version?: number;
  nameOffset?: bigint;
  nameBytes?: number;
  size?: bigint;
  clusterBits?: number;
  tableBits?: number;
  crypt?: number;
  tableOffset?: bigint;
}

/** Header of an image with clusters of 4 KiB and tables of 512 entries, L1 table at 48. */
function headOf(fields: Fields = {}): Buffer {
  const head = Buffer.alloc(48);
  head.writeUInt32BE(0x514649fb, 0);
  head.writeUInt32BE(fields.version ?? 1, 4);
  head.writeBigUInt64BE(fields.nameOffset ?? 0n, 8);
  head.writeUInt32BE(fields.nameBytes ?? 0, 16);
  head.writeBigUInt64BE(fields.size ?? 16384n, 24);
  head.writeUInt8(fields.clusterBits ?? 12, 32);
  head.writeUInt8(fields.tableBits ?? 9, 33);
  head.writeUInt32BE(fields.crypt ?? 0, 36);
  head.writeBigUInt64BE(fields.tableOffset ?? 48n, 40);
  return head;
}

/** An image with its L2 table at 4096 and data from 8192 on. */
function makeQcow1(t: ExecutionContext, fields: Fields, entries: bigint[], data: Buffer): string {
  const front = Buffer.alloc(8192);
  front.set(headOf(fields));
  front.writeBigUInt64BE(4096n, 48);
  for (const [index, entry] of entries.entries()) front.writeBigUInt64BE(entry, 4096 + index * 8);
  const path = join(tempFolder(t, TMPFS), 'vm.qcow');
  writeFileSync(path, Buffer.concat([front, data]));
  return path;
}

test('clusters that are plain, compressed, missing and broken', async (t) => {
  const text = Buffer.from('sluice '.repeat(600)).subarray(0, 4096);
  const packed = deflateRawSync(text);
  const data = Buffer.concat([pattern(4096, 1), packed]);
  // 12 bits below bit 63 have the length of a compressed cluster.
  const entry = (1n << 63n) | (BigInt(packed.length) << 51n) | 12288n;
  const path = makeQcow1(t, {}, [8192n, entry, 0n, 8193n], data);
  const whole = Buffer.concat([pattern(4096, 1), text, Buffer.alloc(4096)]);
  sameBytes(t, await readImage(path, { length: 12288 }), whole);
  await t.throwsAsync(readImage(path), { message: /^errno 5 at/ });
  t.throws(() => mapOfImage(path), { message: /metadata for offset 12288 is broken/ });
});

qemuTest('an image of qemu-img with compressed clusters and a backing file', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  maker.img('create', '-q', '-f', 'qcow', 'base.qcow', '1M');
  const base = ['write -c -P 5 0 4k', 'write -P 6 4k 4k', 'write -c -P 8 8k 4k'];
  maker.io('base.qcow', 'qcow', ...base);
  maker.img('create', '-q', '-f', 'qcow', '-b', 'base.qcow', '-F', 'qcow', 'top.qcow', '1M');
  maker.io('top.qcow', 'qcow', 'write -P 7 9000 9000');
  maker.img('convert', '-f', 'qcow', '-O', 'raw', 'base.qcow', 'raw');
  const whole = readFileSync(maker.path('raw'));
  sameBytes(t, await readImage(maker.path('base.qcow')), whole);
  t.is(whole[0], 5);
  whole.fill(7, 9000, 18000);
  // Like qcow2 of version 2 without an extension it does not record the format of the backing file.
  const { problems } = describeImage(maker.path('top.qcow'), AUTO);
  t.regex(
    problems[0]!,
    /looks like qcow, and its format is not recorded; use --format qcow,qcow or/,
  );
  const options = { format: 'qcow', backingFormats: ['qcow'] };
  sameBytes(t, await readImage(maker.path('top.qcow'), options), whole);
});

test('what cannot be right or is not known is refused', (t) => {
  const refused = (fields: Fields): string => {
    const path = makeQcow1(t, fields, [], Buffer.alloc(0));
    return describeImage(path, { ...AUTO, format: 'qcow' }).problems[0] ?? 'taken';
  };
  t.is(refused({}), 'taken');
  t.is(refused({ version: 2 }), 'not a qcow image of version 1');
  t.is(refused({ crypt: 1 }), 'encrypted (AES); decrypt it with qemu-img convert first');
  for (const clusterBits of [0, 8, 17, 255]) t.regex(refused({ clusterBits }), /^clusters of 2\^/);
  for (const tableBits of [0, 5, 14, 255]) t.regex(refused({ tableBits }), /^clusters of 2\^/);
  t.regex(refused({ size: 2n ** 64n - 1n }), /above 2\^53/);
  t.regex(refused({ size: 2n ** 50n }), /its L1 table is above 32 MiB/);
  t.regex(
    refused({ nameOffset: 48n, nameBytes: 1024 }),
    /^the name of its backing file does not lie in the header/,
  );
  t.regex(
    refused({ nameOffset: 8190n, nameBytes: 3 }),
    /^the name of its backing file does not lie in the header/,
  );
});
