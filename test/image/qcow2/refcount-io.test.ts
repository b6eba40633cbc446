import test from 'ava';
import type { Engine, Task } from '../../../src/host/engine.js';
import { Allocator } from '../../../src/image/qcow2/allocator.js';
import type { QcowLayout } from '../../../src/image/qcow2/layout.js';
import { RefcountIo } from '../../../src/image/qcow2/refcount-io.js';

const CLUSTER = 65536;

/** No I/O is needed, because all blocks are new. */
const NO_IO = {} as Engine;

const noRelief = (): Task => {
  throw new Error('nothing is crowded');
};

/** An allocator of an image with a header and a block. Clusters 2 to 10 are allocated. */
function setUp() {
  const layout = {
    clusterBytes: CLUSTER,
    refcountOrder: 4,
    refcountTableClusters: 1,
  } as QcowLayout;
  const allocator = new Allocator(layout, new Float64Array(8192), CLUSTER, new Set([0]), 1 << 20);
  const refcounts = new RefcountIo(allocator, NO_IO, 0, () => {});
  for (let i = 0; i < 9; i++) allocator.allocate();
  const allocate = (): number => {
    const step = refcounts.allocate(0, noRelief).next();
    if (step.done !== true) throw new Error('it waits');
    return step.value / CLUSTER;
  };
  return { refcounts, allocate };
}

test('a cluster comes free when nobody is under way any more that may read it', (t) => {
  const { refcounts, allocate } = setUp();
  let drained = false;
  refcounts.retire({ data: [3 * CLUSTER, 5 * CLUSTER], tables: [] }, () => drained);
  t.deepEqual([allocate(), allocate()], [11, 12]);
  drained = true;
  t.deepEqual([allocate(), allocate(), allocate()], [3, 5, 13]);
});

test('what came free later does not overtake what is still being read', (t) => {
  const { refcounts, allocate } = setUp();
  let drained = false;
  refcounts.retire({ data: [3 * CLUSTER], tables: [] }, () => drained);
  refcounts.retire({ data: [5 * CLUSTER], tables: [7 * CLUSTER] }, () => true);
  t.is(allocate(), 11);
  drained = true;
  t.deepEqual([allocate(), allocate(), allocate(), allocate()], [3, 5, 7, 12]);
});

test('a cluster that is named twice is freed once', (t) => {
  const { refcounts, allocate } = setUp();
  // Two compressed clusters share this cluster, but the image counts it once.
  refcounts.retire({ data: [4 * CLUSTER, 4 * CLUSTER], tables: [] }, () => true);
  t.deepEqual([allocate(), allocate()], [4, 11]);
});
