import test from 'ava';
import type { ReadableFile } from '../../../src/host/open-file.js';
import { isGzip, readGzipIndex } from '../../../src/image/packed/gzip-index.js';
import { SluiceError } from '../../../src/util/errors.js';

/** As bgzip ends each file: a block without bytes. From the SAM specification. */
const END = Buffer.from('1f8b08040000000000ff0600424302001b0003000000000000000000', 'hex');

function fileOf(bytes: Buffer): ReadableFile {
  const read = (offset: number, length: number): Uint8Array => {
    const copy = Buffer.alloc(length);
    if (offset < bytes.length) bytes.copy(copy, 0, offset, offset + length);
    return copy;
  };
  return { path: '/a.gz', size: bytes.length, read };
}

test('the mark of the end is a block of 28 bytes', (t) => {
  const { frames, isWhole } = readGzipIndex(fileOf(Buffer.concat([END, END])));
  t.deepEqual([...frames.places], [0, 28, 56]);
  t.is(frames.size, 0);
  t.true(isWhole);
  t.true(isGzip(END));
  t.false(isGzip(Buffer.from('1f8b', 'hex')));
});

test('whatever the bytes of a header are, it ends', (t) => {
  let refused = 0;
  for (let at = 0; at < END.length; at++) {
    for (const value of [0, 1, 4, 0x7f, 0x80, 0xff]) {
      const bytes = Buffer.concat([END, END, END]);
      bytes[28 + at] = value;
      try {
        readGzipIndex(fileOf(bytes));
      } catch (error) {
        t.true(error instanceof SluiceError, String(error));
        refused++;
      }
    }
  }
  for (let length = 1; length < 56; length++) {
    if (length === 28) continue;
    const cut = fileOf(Buffer.concat([END, END]).subarray(0, length));
    t.throws(() => readGzipIndex(cut), { instanceOf: SluiceError });
  }
  t.true(refused > 20);
});
