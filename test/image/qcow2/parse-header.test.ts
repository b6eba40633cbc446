import test from 'ava';
import { parseHeader } from '../../../src/image/qcow2/parse-header.js';
import { SluiceError } from '../../../src/util/errors.js';

/** A header of version 3 with 64 KiB clusters and 1 GiB, as QEMU writes it; fields by offset. */
function header(): Buffer {
  const bytes = Buffer.alloc(65536);
  bytes.write('514649fb', 0, 'hex'); // magic
  bytes.writeUInt32BE(3, 4); // version
  bytes.writeUInt32BE(16, 20); // cluster bits
  bytes.writeBigUInt64BE(1n << 30n, 24); // size
  bytes.writeUInt32BE(2, 36); // L1 entries
  bytes.writeBigUInt64BE(0x30000n, 40); // L1 table
  bytes.writeBigUInt64BE(0x10000n, 48); // refcount table
  bytes.writeUInt32BE(1, 56); // clusters of it
  bytes.writeUInt32BE(4, 96); // refcount order
  bytes.writeUInt32BE(112, 100); // header length
  return bytes;
}

const u32 = (at: number, value: number) => (bytes: Buffer) => bytes.writeUInt32BE(value, at);
const u64 = (at: number, value: bigint) => (bytes: Buffer) => bytes.writeBigUInt64BE(value, at);

test('a header is decoded', (t) => {
  const layout = parseHeader('vm', header());
  t.is(layout.version, 3);
  t.is(layout.clusterBytes, 65536);
  t.is(layout.size, 1_073_741_824);
  t.is(layout.l1Offset, 0x30000);
  t.is(layout.l1Entries, 2);
  t.is(layout.backingName, null);
  t.is(layout.compression, 'zlib');
});

/** Name, change of one field, and the expected message. */
const REFUSED: [string, (bytes: Buffer) => void, RegExp][] = [
  ['another magic', u32(0, 0x12345678), /not a qcow2 image/],
  ['version 1', u32(4, 1), /qcow version 1 is not supported/],
  ['version 4', u32(4, 4), /qcow version 4/],
  ['clusters of 256 bytes', u32(20, 8), /cluster size 2\^8/],
  ['clusters of 4 MiB', u32(20, 22), /cluster size 2\^22/],
  ['cluster bits without end', u32(20, 0xffffffff), /cluster size/],
  ['a size above 2^53', u64(24, 1n << 60n), /virtual size/],
  ['AES', u32(32, 1), /encrypted \(AES\)/],
  ['LUKS', u32(32, 2), /encrypted \(LUKS\)/],
  ['an L1 table that is too short', u32(36, 1), /1 entries; 2 are needed/],
  ['an L1 table above 32 MiB', u32(36, 0x400001), /above 32 MiB/],
  ['an L1 table within a cluster', u64(40, 0x30008n), /L1 table does not begin/],
  ['an L1 table beyond all', u64(40, 0xffffffffffff0000n), /L1 table is beyond/],
  ['a refcount table above 8 MiB', u32(56, 129), /refcount table is above/],
  ['no refcount table', u32(56, 0), /no refcount table/],
  ['a refcount table within a cluster', u64(48, 0x10200n), /refcount table does not begin/],
  ['too many snapshots', u32(60, 65537), /too many snapshots/],
  ['refcounts of 128 bits', u32(96, 7), /refcounts of 2\^7/],
  ['a header length of 100', u32(100, 100), /header length 100/],
  ['a header length of 105', u32(100, 105), /header length 105/],
  ['a header larger than the file', u32(100, 1 << 20), /header length/],
  ['a backing name in the header', u64(8, 64n), /name of the backing file/],
  ['a backing name behind the cluster', u64(8, 65536n + 8n), /name of the backing file/],
  ['compression type 2', (b) => b.writeUInt8(2, 104), /compression type 2/],
  ['zstd without its feature bit', (b) => b.writeUInt8(1, 104), /contradict/],
  ['the bit of zstd with zlib', u64(72, 8n), /contradict/],
  ['an unknown bit', u64(72, 1n << 7n), /incompatible feature bit 7 is not supported/],
  ['unknown bits', u64(72, 0x8000000000000020n), /feature bits 5, 63 are not supported/],
  ['a data file without a name', u64(72, 4n), /does not name its external data file/],
];

for (const [title, change, says] of REFUSED) {
  test(`refused: ${title}`, (t) => {
    const bytes = header();
    change(bytes);
    const error = t.throws(() => parseHeader('vm.qcow2', bytes), { instanceOf: SluiceError });
    t.is(error?.exitCode, 3);
    t.regex(error?.message ?? '', /^vm\.qcow2: /);
    t.regex(error?.message ?? '', says);
  });
}

test('an unknown bit is named as the image names it', (t) => {
  const bytes = header();
  bytes.writeBigUInt64BE(1n << 7n, 72);
  bytes.writeUInt32BE(0x6803f857, 112);
  bytes.writeUInt32BE(48, 116);
  bytes.writeUInt8(0, 120);
  bytes.writeUInt8(7, 121);
  bytes.write('future thing', 122);
  const message = 'vm: incompatible feature bit 7 ("future thing") is not supported';
  t.throws(() => parseHeader('vm', bytes), { message });
});

test('a subcluster is at least a sector', (t) => {
  const bytes = header();
  bytes.writeUInt32BE(13, 20);
  bytes.writeBigUInt64BE(16n, 72);
  t.throws(() => parseHeader('vm', bytes), { message: /at least 16 KiB/ });
});

test('a header is refused wherever the file ends', (t) => {
  for (let length = 0; length < 112; length++) {
    const head = header().subarray(0, length);
    t.throws(() => parseHeader('vm', head), { instanceOf: SluiceError }, String(length));
  }
});

test('an extension that is longer than its place is refused', (t) => {
  const bytes = header();
  bytes.writeUInt32BE(0xe2792aca, 112);
  bytes.writeUInt32BE(0xfffffff8, 116);
  t.throws(() => parseHeader('vm', bytes), { message: /longer than its place/ });
});
