import test from 'ava';
import {
  CACHE_HEADER_BYTES,
  cacheLayout,
  decodeCacheHeader,
  encodeCacheHeader,
  encodeCacheState,
  STATE_AT,
} from '../../src/host/cache-layout.js';

const HEADER = {
  size: 5 * 2 ** 40 + 1,
  name: 'nbd /run/x.sock größer',
  isClean: true,
  boot: '0f7c1f1e-52ae-4a3c-8a5b-6d2a5b1f7f11',
};

test('a header is read as it was written', (t) => {
  const bytes = encodeCacheHeader(HEADER);
  t.deepEqual(decodeCacheHeader(bytes), HEADER);
  bytes.set(encodeCacheState(false), STATE_AT);
  t.deepEqual(decodeCacheHeader(bytes), { ...HEADER, isClean: false });
  const long = { ...HEADER, name: `nbd host:10809 ${'x'.repeat(4096)}` };
  t.deepEqual(decodeCacheHeader(encodeCacheHeader(long)), long);
});

test('what is no header is told from one that is damaged', (t) => {
  t.is(decodeCacheHeader(new Uint8Array(CACHE_HEADER_BYTES)), 'empty');
  t.is(decodeCacheHeader(new Uint8Array(CACHE_HEADER_BYTES).fill(1)), 'foreign');
  const places = [16, 24, 72, 76, 100, 5000, CACHE_HEADER_BYTES - 1];
  const read = places.map((at) => {
    const bytes = encodeCacheHeader(HEADER);
    bytes[at]! ^= 0x80;
    return decodeCacheHeader(bytes);
  });
  t.deepEqual(read, ['newer', ...Array(6).fill('damaged')]);
});

test('the file of a cache is larger than its export by header and bits', (t) => {
  t.deepEqual(cacheLayout(0), { blocks: 0, bits: 8192, bitBytes: 0, data: 8192, fileSize: 8192 });
  t.deepEqual(cacheLayout(4097), {
    ...{ blocks: 2, bits: 8192, bitBytes: 1 },
    ...{ data: 12_288, fileSize: 16_385 },
  });
  t.is(cacheLayout(2 ** 40).bitBytes, 32 << 20);
});
