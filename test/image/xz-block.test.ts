import test from 'ava';
import { hasSha256, readMultibyte, streamOfBlock } from '../../src/image/xz-block.js';

/** Streams of "hello" with each check, as xz 5.4 makes them: header, block, index, footer. */
const STREAMS = [
  'fd377a585a000000ff12d941' +
    '020021010c0000008f98419c01000468656c6c6f00000000' +
    '00011505b0a7596706729e7a010000000000595a',
  'fd377a585a0000016922de36' +
    '020021010c0000008f98419c01000468656c6c6f0000000086a61036' +
    '00011905bce8eccb9042990d010000000001595a',
  'fd377a585a000004e6d6b446' +
    '020021010c0000008f98419c01000468656c6c6f00000000b137b9dbe5da1e9b' +
    '00011d05b82d80af1fb6f37d010000000004595a',
].map((hex) => Buffer.from(hex, 'hex'));

test('around a block is what xz writes around it', (t) => {
  for (const stream of STREAMS) {
    const { bytes, size, sha256 } = streamOfBlock(stream.subarray(12, -20));
    t.deepEqual(Buffer.from(bytes), stream);
    t.is(size, 5);
    t.is(sha256, null);
  }
});

test('a block with SHA-256 goes without, and its check is told', (t) => {
  const sha256 = '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824';
  const without = STREAMS[0]!;
  const block = Buffer.concat([without.subarray(12, -20), Buffer.from(sha256, 'hex')]);
  const made = streamOfBlock(block);
  t.deepEqual(Buffer.from(made.bytes), without);
  t.is(made.sha256?.toString('hex'), sha256);
  t.true(hasSha256(Buffer.from('hello'), made.sha256!));
  t.false(hasSha256(Buffer.from('hallo'), made.sha256!));
});

test('sizes are those of all chunks of LZMA2', (t) => {
  const chunks = Buffer.from(
    '02000061' + 'e1ffff0002' + '5d' + '112233' + '80000100' + '00' + '44',
    'hex',
  );
  const block = Buffer.concat([STREAMS[0]!.subarray(12, 24), chunks, Buffer.alloc(1)]);
  t.is(streamOfBlock(block).size, 1 + 0x20000 + 2);
});

test('a block that is cut off, longer, or no LZMA2 is refused', (t) => {
  const block = STREAMS[1]!.subarray(12, -20);
  for (let length = 0; length < block.length; length++) {
    // Without its check it would be another block.
    if (length === block.length - 4) continue;
    t.throws(() => streamOfBlock(block.subarray(0, length)), { instanceOf: Error });
  }
  t.throws(() => streamOfBlock(Buffer.concat([block, Buffer.alloc(4 + 3)])));
  const other = Buffer.from(block);
  other[12] = 3;
  t.throws(() => streamOfBlock(other), { message: 'not LZMA2' });
});

test('numbers of seven bits a byte', (t) => {
  const read = (hex: string) => {
    const place = { at: 1 };
    return [readMultibyte(Buffer.from(hex, 'hex'), place), place.at];
  };
  t.deepEqual(read('007f'), [127, 2]);
  t.deepEqual(read('008001ff'), [128, 3]);
  t.deepEqual(read('00ffffffffffffff0f'), [2 ** 53 - 1, 9]);
  t.deepEqual(read('00ff'), [Number.NaN, 3]);
  t.deepEqual(read('00ffffffffffffffffffff'), [Number.NaN, 10]);
});
