import test from 'ava';
import type { Engine } from '../../../src/host/engine.js';
import { DATA, newExtent, ZERO } from '../../../src/image/extent.js';
import { Mappings } from '../../../src/image/mappings.js';
import { makeSliceCache } from '../../../src/image/slice-cache.js';
import type { Piece } from '../../../src/image/vmdk/pieces.js';
import { VmdkLayer } from '../../../src/image/vmdk/vmdk-layer.js';

/** A disk of flat extents of 1000, 2000, ... bytes, each in a file of its own; the last file is short. */
function makeLayer(count: number) {
  let start = 0;
  const pieces = Array.from({ length: count }, (_, index): Piece => {
    const length = (index + 1) * 1000;
    const hostSize = index === count - 1 ? 7 + 400 : length + 7;
    const piece: Piece = { kind: 'flat', start, length, file: index, offset: 7, hostSize };
    start += length;
    return piece;
  });
  pieces.push({ kind: 'zero', start, length: 500 });
  const io = {
    engine: {} as Engine,
    resume: () => {},
    cacheBytes: 0,
    growable: false,
    mappings: new Mappings(),
  };
  const cache = makeSliceCache(0, 2048, 'little-endian', io);
  const files = pieces.map((_, index) => 100 + index);
  const layer = new VmdkLayer({ size: start + 500, pieces }, files, cache);
  const map = (offset: number, length = layer.size - offset) => {
    const extent = newExtent();
    layer.map(offset, length, extent);
    return extent;
  };
  return { layer, map, end: start };
}

test('each byte is found in its extent, from any other', (t) => {
  for (const count of [1, 2, 3, 10]) {
    const { layer, map, end } = makeLayer(count);
    const places = [0, 1, 999, 1000, 1001, 2999, 3000, end - 1].filter((at) => at < end);
    for (const before of places) {
      for (const at of places) {
        map(before);
        let start = 0;
        let index = 0;
        while (at >= start + (index + 1) * 1000) start += ++index * 1000;
        const isPast = index === count - 1 && at - start >= 400;
        const { kind, file, offset, length } = map(at);
        t.is(kind, isPast ? ZERO : DATA);
        if (!isPast) t.deepEqual([file, offset], [100 + index, at - start + 7]);
        t.true(length <= start + (index + 1) * 1000 - at);
      }
    }
    t.like(map(end), { kind: ZERO, offset: -1, length: 500 });
    t.is(layer.size, end + 500);
    t.is(map(0, 10).length, 10);
  }
});
