import test from 'ava';
import { BodyChecker } from '../../src/server/api-checker.js';
import { orderOfRequest, requestOfOrder } from '../../src/server/attach-request.js';
import { formatOrder, parseOrder } from '../../src/server/image-order.js';

const checker = new BodyChecker();

test('a path alone is enough', (t) => {
  const order = orderOfRequest({ path: '/srv/disk.img' });
  t.deepEqual(order, {
    kind: 'attach',
    image: {
      ...{ name: 'disk', path: '/srv/disk.img', format: 'auto', snapshot: null },
      backingFormats: [],
      named: { dataFiles: [], backingFiles: [], untrusted: false },
    },
    ...{ overlay: null, options: {}, assignments: [] },
  });
  t.deepEqual(parseOrder(formatOrder('', order)).order, order);
});

test('an order becomes a request that fits the schema, and the same order again', (t) => {
  const named = { dataFiles: ['/srv/d'], backingFiles: ['/srv/b'] };
  for (const partitions of [null, { sectorSize: null }, { sectorSize: 4096 }]) {
    const order = orderOfRequest({
      ...{ path: '/srv/a.qcow2', name: 'my disk', format: 'qcow2', backingFormats: ['raw'] },
      ...{
        snapshot: '1',
        overlay: '/srv/over',
        cacheFile: '/srv/near',
        readOnly: false,
        growable: true,
        direct: false,
      },
      ...{
        untrusted: true,
        metadataCache: 1 << 20,
        assign: { 'my disk': 'gold', 'my disk.p1': '/' },
      },
      ...named,
      ...(partitions === null ? { partitions: false } : { partitions: true }),
      ...(partitions?.sectorSize ? { sectorSize: partitions.sectorSize } : {}),
    });
    t.deepEqual(order.options.partitions, partitions);
    t.deepEqual(order.assignments[1], { member: 'my disk.p1', group: '' });
    const request = JSON.parse(JSON.stringify(requestOfOrder(order)));
    t.notThrows(() => checker.check('attach', request));
    t.deepEqual(orderOfRequest(request), order);
  }
});

test('exports of NBD servers are images and backing files', (t) => {
  const request = {
    path: 'nbd+unix:///web.img?socket=/tmp/s',
    backingFiles: ['nbds://host/base'],
  };
  t.notThrows(() => checker.check('attach', request));
  const order = orderOfRequest(request);
  t.is(order.image.name, 'web');
  t.deepEqual(parseOrder(formatOrder('', order)).order, order);
  for (const path of ['nbdx://host/a', 'web.img', 'http://host/a']) {
    t.throws(() => checker.check('attach', { path }), undefined, path);
    t.throws(() => parseOrder(formatOrder('', { ...order, image: { ...order.image, path } })));
  }
});

test('names that cannot be are refused', (t) => {
  for (const name of ['', '.a', 'a/b', 'uid:7', 'a\nb']) {
    t.throws(() => orderOfRequest({ path: '/srv/a.img', name }), { message: /name|rule/ }, name);
  }
  t.throws(() => orderOfRequest({ path: '/srv/a', assign: { 'uid:x y': 'gold' } }), {
    message: /^assign.uid:x y: /,
  });
});
