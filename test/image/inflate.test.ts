import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import test from 'ava';
import { inflate } from '../../src/image/inflate.js';

const CLUSTER = Buffer.from('inflated '.repeat(100));
/** A frame of Zstandard with a raw block of 5 bytes; RFC 8878. */
const FRAME = Buffer.from('28b52ffd2005290000' + '68656c6c6f', 'hex');

/** A block of xz with the same bytes, and the SHA-256 of them; made by xz 5.4. */
const BLOCK = Buffer.from(
  '020021010c0000008f98419c01000468656c6c6f00000000' +
    '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824',
  'hex',
);

for (const [method, packed, content] of [
  ['zlib', deflateRawSync(CLUSTER), CLUSTER],
  ['zlib-stream', deflateSync(CLUSTER), CLUSTER],
  ['gzip', gzipSync(CLUSTER), CLUSTER],
  ['zstd', FRAME, Buffer.from('hello')],
  ['zstd-frame', FRAME, Buffer.from('hello')],
  ['xz', BLOCK, Buffer.from('hello')],
] as const) {
  test(`${method}: a cluster of its size, a shorter one only where that is allowed`, async (t) => {
    const { length } = content;
    t.deepEqual(Buffer.from((await inflate(method, packed, length))!), content);
    const longer = await inflate(method, packed, length + 1);
    const mayBeShort = ['zlib-stream', 'gzip', 'zstd-frame', 'xz'].includes(method);
    t.is(longer?.length, mayBeShort ? length : undefined);
    // No more memory is taken than a cluster.
    t.is(await inflate(method, packed, length - 1), null);
  });

  test(`${method}: what is damaged is null`, async (t) => {
    t.is(await inflate(method, Buffer.from('garbage garbage garbage'), 900), null);
    t.is(await inflate(method, Buffer.alloc(0), 900), null);
  });
}

test('bytes behind the end do no harm', async (t) => {
  for (const [method, packed] of [
    ['zlib', deflateRawSync(CLUSTER)],
    ['zlib-stream', deflateSync(CLUSTER)],
  ] as const) {
    const bytes = Buffer.concat([packed, Buffer.alloc(600, 0xaa)]);
    t.deepEqual(Buffer.from((await inflate(method, bytes, CLUSTER.length))!), CLUSTER);
  }
});

test('checksums count, where there are any', async (t) => {
  for (const [method, packed] of [
    ['zlib-stream', deflateSync(CLUSTER)],
    ['gzip', gzipSync(CLUSTER)],
    ['xz', BLOCK],
  ] as const) {
    const bytes = Buffer.from(packed);
    bytes[method === 'gzip' ? bytes.length - 8 : bytes.length - 1]! ^= 1;
    t.is(await inflate(method, bytes, CLUSTER.length), null);
  }
});
