import test from 'ava';
import { largestBlock } from '../../src/server/open-disks.js';

const RAW = Number.POSITIVE_INFINITY;

for (const [what, unitBytes, size, blockDevice, readOnly, growable, block] of [
  ['a raw image of whole blocks', RAW, 8192, false, false, false, 4096],
  ['a raw image that ends within a block', RAW, 8704, false, false, false, 512],
  ['a raw image that can grow', RAW, 8192, false, false, true, 512],
  ['an empty raw image that can grow', RAW, 0, false, false, true, 512],
  ['a raw image that ends within a block and is only read', RAW, 8704, false, true, false, 4096],
  ['a block device', RAW, 8704, true, false, false, 4096],
  ['an image of large clusters that can grow', 65536, 8704, false, false, true, 4096],
  ['an image of small clusters', 2048, 8192, false, false, false, 0],
  ['an image of small clusters that is only read', 2048, 8192, false, true, false, 512],
] as const) {
  test(`direct I/O of ${what} has blocks of at most ${block} bytes`, (t) => {
    const layer = { image: { unitBytes, size }, file: { blockDevice } };
    t.is(largestBlock({ layers: [layer as never] }, readOnly, growable), block);
  });
}

test('an image over one of small clusters has blocks of 512 bytes', (t) => {
  const layers = [65536, 512].map((unitBytes) => ({ image: { unitBytes, size: 8192 }, file: {} }));
  t.is(largestBlock({ layers: layers as never }, false, false), 512);
});
