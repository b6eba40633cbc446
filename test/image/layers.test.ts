import test from 'ava';
import type { Layer } from '../../src/image/driver.js';
import { DATA, type Extent, newExtent, UNALLOCATED, ZERO } from '../../src/image/extent.js';
import { Layers } from '../../src/image/layers.js';
import { RawLayer } from '../../src/image/raw/raw-layer.js';

/** A layer of `size` bytes without data. */
function empty(size: number): Layer {
  return {
    size,
    hasHostHoles: false,
    inflation: null,
    load: () => {
      throw new Error('it has no metadata');
    },
    map(_offset: number, length: number, extent: Extent) {
      extent.kind = UNALLOCATED;
      extent.length = length;
      extent.present = true;
      extent.offset = -1;
    },
  };
}

const MIB = 1 << 20;

/** These tests read and inflate nothing. */
const layersOf = (list: Layer[]): Layers => new Layers(list, null as never, null as never, 1);

test('a short layer in the middle hides a longer one below it', (t) => {
  const image = layersOf([empty(2 * MIB), empty(MIB), new RawLayer(7, 2 * MIB)]);
  const extent = newExtent();
  image.map(0, 2 * MIB, extent);
  t.deepEqual(
    [extent.kind, extent.layer, extent.file, extent.offset, extent.length, extent.present],
    [DATA, 2, 7, 0, MIB, true],
  );
  image.map(MIB, MIB, extent);
  t.deepEqual([extent.kind, extent.layer, extent.length, extent.present], [ZERO, 0, MIB, false]);
});

test('what is past the end of all layers but the top is one hole', (t) => {
  const image = layersOf([empty(8 * MIB), new RawLayer(1, 1000)]);
  const extent = newExtent();
  image.map(1000, 8 * MIB - 1000, extent);
  t.deepEqual([extent.kind, extent.layer, extent.length], [ZERO, 1, 24]);
  image.map(1024, 8 * MIB - 1024, extent);
  t.deepEqual([extent.kind, extent.layer, extent.length], [ZERO, 0, 8 * MIB - 1024]);
});
