import test from 'ava';
import type { ReadableFile } from '../../../src/host/open-file.js';
import { isZstd, readZstdIndex } from '../../../src/image/packed/zstd-index.js';
import { SluiceError } from '../../../src/util/errors.js';

function fileOf(bytes: Buffer): ReadableFile {
  const read = (offset: number, length: number): Uint8Array => {
    const copy = Buffer.alloc(length);
    if (offset < bytes.length) bytes.copy(copy, 0, offset, offset + length);
    return copy;
  };
  return { path: '/a.zst', size: bytes.length, read };
}

/** 30 bytes of frames, and the table of two of them. */
const FILE = Buffer.concat([
  Buffer.from('28b52ffd', 'hex'),
  Buffer.alloc(26),
  Buffer.from('5e2a4d1819000000', 'hex'),
  Buffer.from('0a000000' + '00010000' + '14000000' + '07000000', 'hex'),
  Buffer.from('02000000' + '00' + 'b1ea928f', 'hex'),
]);

test('a seek table', (t) => {
  const { starts, places, size, longest } = readZstdIndex(fileOf(FILE));
  t.deepEqual([...starts], [0, 256, 263]);
  t.deepEqual([...places], [0, 10, 30]);
  t.deepEqual([size, longest], [263, 256]);
});

test('frames and frames to be skipped look like Zstandard', (t) => {
  t.true(isZstd(FILE));
  t.true(isZstd(Buffer.from('5f2a4d18', 'hex')));
  t.false(isZstd(Buffer.from('602a4d18', 'hex')));
  t.false(isZstd(FILE.subarray(0, 3)));
});

test('whatever the bytes of a table are, it ends', (t) => {
  for (let at = 30; at < FILE.length; at++) {
    for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
      const bytes = Buffer.from(FILE);
      bytes[at] = value;
      try {
        readZstdIndex(fileOf(bytes));
      } catch (error) {
        t.true(error instanceof SluiceError, String(error));
      }
    }
  }
  for (let length = 0; length < FILE.length; length++) {
    const cut = fileOf(FILE.subarray(0, length));
    t.throws(() => readZstdIndex(cut), { instanceOf: SluiceError });
  }
});
