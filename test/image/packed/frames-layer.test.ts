import test from 'ava';
import { COMPRESSED, newExtent, ZERO } from '../../../src/image/extent.js';
import { FrameList } from '../../../src/image/packed/frames.js';
import { FramesLayer } from '../../../src/image/packed/frames-layer.js';

test('each byte is in its frame, empty frames have none, behind the last one are zeros', (t) => {
  const list = new FrameList('/a');
  for (const [packed, unpacked] of [
    [7, 0],
    [10, 100],
    [5, 0],
    [5, 0],
    [20, 300],
    [9, 0],
  ] as const) {
    list.add(packed, unpacked);
  }
  const layer = new FramesLayer(list.frames(), 'gzip', 3);
  t.is(layer.size, 512);
  t.deepEqual(layer.inflation, { method: 'gzip', clusterBytes: 300 });
  const map = (offset: number, length = 512 - offset) => {
    const extent = newExtent();
    layer.map(offset, length, extent);
    return extent;
  };
  const first = { kind: COMPRESSED, file: 3, offset: 7, bytes: 10 };
  const second = { kind: COMPRESSED, file: 3, offset: 27, bytes: 20 };
  t.like(map(0), { ...first, skip: 0, length: 100 });
  t.like(map(99), { ...first, skip: 99, length: 1 });
  t.like(map(100), { ...second, skip: 0, length: 300 });
  t.like(map(399), { ...second, skip: 299, length: 1 });
  t.like(map(150, 20), { ...second, skip: 50, length: 20 });
  t.like(map(400), { kind: ZERO, offset: -1, length: 112 });
});
