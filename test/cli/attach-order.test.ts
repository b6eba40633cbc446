import test from 'ava';
import { attachOrder } from '../../src/cli/attach-order.js';

const NAMED = { dataFiles: [], backingFiles: [], untrusted: false };

test('an image alone: everything else is as the mount has it', (t) => {
  t.deepEqual(attachOrder({ mountpoint: 'm', image: 'disk.img' }, '/srv'), {
    kind: 'attach',
    image: {
      ...{
        name: 'disk',
        path: '/srv/disk.img',
        format: 'auto',
        backingFormats: [],
        snapshot: null,
      },
      named: NAMED,
    },
    ...{ overlay: null, options: {}, assignments: [] },
  });
});

test('what is given counts, a flag that is negated too', (t) => {
  const order = attachOrder(
    {
      ...{ mountpoint: 'm', image: 'web=/vm.qcow2', format: 'qcow2,raw', overlay: 'over.qcow2' },
      ...{ 'read-only': false, growable: true, direct: false, untrusted: true, partitions: false },
      ...{ 'metadata-cache': '2M', 'backing-file': ['base.img'], 'cache-file': 'near' },
      assign: ['web=gold', 'web.p1=/silver'],
    },
    '/srv',
  );
  t.deepEqual(order, {
    kind: 'attach',
    image: {
      ...{
        name: 'web',
        path: '/vm.qcow2',
        format: 'qcow2',
        backingFormats: ['raw'],
        snapshot: null,
      },
      named: { dataFiles: [], backingFiles: ['/srv/base.img'], untrusted: true },
      cacheFile: '/srv/near',
    },
    overlay: '/srv/over.qcow2',
    options: {
      ...{ readOnly: false, growable: true, direct: false, untrusted: true, partitions: null },
      metadataCache: 2097152,
    },
    assignments: [
      { member: 'web', group: 'gold' },
      { member: 'web.p1', group: 'silver' },
    ],
  });
});

for (const [what, own, message] of [
  [
    'another member',
    { assign: ['db=gold'] },
    '--assign db=gold: name the image, disk, or one of its partitions',
  ],
  [
    'a rule',
    { assign: ['uid:0=gold'] },
    '--assign uid:0=gold: name the image, disk, or one of its partitions',
  ],
  [
    'sectors of no partitions',
    { partitions: false, 'sector-size': '512' },
    '--sector-size: goes with partitions',
  ],
  [
    'a small cache',
    { 'metadata-cache': '1K' },
    '--metadata-cache 1K: expected a size from 1M to 1G',
  ],
] as const) {
  test(`refused: ${what}`, (t) => {
    const args = { mountpoint: 'm', image: 'disk.img', ...own };
    t.throws(() => attachOrder(args, '/'), { message });
  });
}
