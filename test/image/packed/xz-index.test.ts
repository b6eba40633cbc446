import { crc32 } from 'node:zlib';
import test from 'ava';
import type { ReadableFile } from '../../../src/host/open-file.js';
import { isXz, readXzIndex } from '../../../src/image/packed/xz-index.js';
import { SluiceError } from '../../../src/util/errors.js';

function fileOf(bytes: Buffer): ReadableFile {
  const read = (offset: number, length: number): Uint8Array => {
    const copy = Buffer.alloc(length);
    if (offset < bytes.length) bytes.copy(copy, 0, offset, offset + length);
    return copy;
  };
  return { path: '/a.img.xz', size: bytes.length, read };
}

/** "hello" in blocks of three bytes, as xz 5.4 packs it: header, two blocks, index, footer. */
const FILE = Buffer.concat([
  Buffer.from('fd377a585a0000016922de36', 'hex'),
  Buffer.from('020021010c0000008f98419c01000268656c00001bf10be5', 'hex'),
  Buffer.from('020021010c0000008f98419c0100016c6f0000009d4a9c55', 'hex'),
  Buffer.from('00021703160200009e5a38dd', 'hex'),
  Buffer.from('3e300d8b020000000001595a', 'hex'),
]);
const INDEX_AT = 60;

/** Makes the checksums of header, index and footer right again. */
function seal(bytes: Buffer): Buffer {
  bytes.writeUInt32LE(crc32(bytes.subarray(6, 8)), 8);
  bytes.writeUInt32LE(crc32(bytes.subarray(INDEX_AT, INDEX_AT + 8)), INDEX_AT + 8);
  bytes.writeUInt32LE(crc32(bytes.subarray(INDEX_AT + 16, INDEX_AT + 22)), INDEX_AT + 12);
  return bytes;
}

test('the blocks of a stream are frames, what is between them are empty ones', (t) => {
  const { starts, places, size, longest } = readXzIndex(fileOf(FILE));
  t.deepEqual([...starts], [0, 0, 3, 5, 5]);
  t.deepEqual([...places], [0, 12, 36, 60, 84]);
  t.deepEqual([size, longest], [5, 3]);
});

test('streams follow each other, with padding', (t) => {
  const file = fileOf(Buffer.concat([FILE, Buffer.alloc(8), FILE, Buffer.alloc(4)]));
  const { starts, places, size } = readXzIndex(file);
  t.deepEqual([...starts], [0, 0, 3, 5, 5, 5, 8, 10, 10]);
  t.deepEqual([...places], [0, 12, 36, 60, 92, 104, 128, 152, 180]);
  t.is(size, 10);
});

test('a file with padding of more than is read at once', (t) => {
  const { size } = readXzIndex(fileOf(Buffer.concat([FILE, Buffer.alloc(300_000)])));
  t.is(size, 5);
});

test('xz is known by its first bytes', (t) => {
  t.true(isXz(FILE));
  t.false(isXz(FILE.subarray(0, 5)));
  t.false(isXz(Buffer.alloc(6)));
});

/** The file with another byte. */
function changed(at: number, value: number): ReadableFile {
  const bytes = Buffer.from(FILE);
  bytes[at] = value;
  return fileOf(seal(bytes));
}

for (const [title, file, message] of [
  [
    'other filters',
    changed(14, 4),
    /other filters than LZMA2.*"xz -dc \/a\.img\.xz \| xz -T0 --block-size=1MiB > \/a\.img\.blocks\.xz" makes one that can$/,
  ],
  ['two filters', changed(13, 1), /other filters than LZMA2/],
  ['more blocks than fit', changed(61, 9), /its index does not fit the file/],
  ['blocks that are longer', changed(62, 0x40), /its index does not fit the file/],
  ['a longer index', changed(76, 9), /its index does not fit the file/],
  ['an index of no block', changed(76, 0), /its index does not fit the file/],
  ['a check without a name', changed(81, 2), /its blocks have checks of type 2$/],
  ['another check in the header', changed(7, 4), /its index does not fit the file/],
  [
    'a file that is cut off',
    fileOf(FILE.subarray(0, -1)),
    /it has no end of xz where one should be/,
  ],
  ['a header alone', fileOf(FILE.subarray(0, 12)), /it has no end of xz/],
] as const) {
  test(`refused: ${title}`, (t) => {
    const error = t.throws(() => readXzIndex(file), { instanceOf: SluiceError, message });
    t.is(error.exitCode, 3);
  });
}

test('whatever its bytes are, with right checksums, it ends', (t) => {
  for (let at = 0; at < FILE.length; at++) {
    for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
      try {
        t.true(readXzIndex(changed(at, value)).starts.length > 1);
      } catch (error) {
        t.true(error instanceof SluiceError, String(error));
      }
    }
  }
  for (let length = 1; length < FILE.length; length++) {
    const cut = fileOf(FILE.subarray(0, length));
    t.throws(() => readXzIndex(cut), { instanceOf: SluiceError });
  }
});
