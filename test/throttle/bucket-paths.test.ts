import test from 'ava';
import { BucketPaths } from '../../src/throttle/bucket-paths.js';
import { Group } from '../../src/throttle/group.js';
import { LeakyBuckets } from '../../src/throttle/leaky-buckets.js';
import { NO_LIMITS } from '../../src/throttle/limits.js';
import { RequestTable } from '../../src/throttle/request-table.js';

// A group has 12 buckets: rbps, wbps, bps, riops, wiops, iops, and the same for their bursts.
function tree() {
  const table = new RequestTable(1);
  table.grow(1);
  const buckets = new LeakyBuckets();
  buckets.grow(3);
  const paths = new BucketPaths(table, buckets);
  const root = new Group(0, '', null);
  const a = new Group(1, 'a', root);
  const b = new Group(2, 'b', a);
  root.children.set('a', a);
  a.children.set('b', b);
  table.groupOf[0] = 2;
  return { buckets, paths, root };
}

test('without limits there is nothing to pass', (t) => {
  const { paths, root } = tree();
  paths.rebuild(root);
  t.deepEqual([paths.ofQueue(0).length, paths.ofQueue(1).length], [0, 0]);
});

test('a queue passes the buckets of its class from its group up to the root', (t) => {
  const { buckets, paths, root } = tree();
  buckets.setLimits(0, { ...NO_LIMITS, rbps: 1, iops: 1 }, 0);
  buckets.setLimits(2, { ...NO_LIMITS, wiops: 1, bps: 1 }, 0);
  paths.rebuild(root);
  t.deepEqual([...paths.ofQueue(0)], [26, 0, 5]);
  t.deepEqual([...paths.ofQueue(1)], [28, 26, 5]);
  t.deepEqual([...paths.own(2, 0)], [26]);
  t.deepEqual([...paths.own(2, 1)], [28, 26]);
  t.deepEqual(
    [paths.shared(0), paths.shared(1), paths.shared(2)].map((list) => [...list]),
    [[5], [], [26]],
  );
});

test('a burst is one more bucket to pass', (t) => {
  const { buckets, paths, root } = tree();
  const bursts = { rbps: null, wbps: null, bps: null, riops: null, wiops: null };
  const iops = { rate: 20, seconds: 1 };
  buckets.setLimits(0, { ...NO_LIMITS, iops: 10 }, 0, { ...bursts, iops });
  paths.rebuild(root);
  t.deepEqual([...paths.ofQueue(0)], [5, 11]);
});
