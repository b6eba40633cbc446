import test from 'ava';
import { checkPartitionNames, checkWritable, exportToCache } from '../../src/server/check-disks.js';

test('an image is written only if its format, its state and its snapshot allow it', (t) => {
  const layer = (format: string, checkWriting?: () => void) =>
    ({ file: { path: '/a' }, format, image: { checkWriting } }) as never;
  t.notThrows(() => checkWritable(layer('raw'), { snapshot: null }));
  const kind = () => checkWritable(layer('qed'), { snapshot: null });
  t.throws(kind, { message: /^\/a: an image of the format qed cannot be written; --overlay FILE/ });
  const snapshot = () => checkWritable(layer('qcow2'), { snapshot: 'one' });
  t.throws(snapshot, { message: '/a: a snapshot cannot be written; use --read-only' });
  const own = layer('vmdk', () => {
    throw new Error('not this one');
  });
  t.throws(() => checkWritable(own, { snapshot: null }), { message: 'not this one' });
});

test('a cache is for the one export of an image', (t) => {
  const files = (...paths: string[]) => paths.map((path) => ({ path })) as never[];
  t.is(exportToCache('/a', files('/a', 'nbd://h/x')).path, 'nbd://h/x');
  const none = '--cache-file: /a is on no NBD server; leave it out';
  t.throws(() => exportToCache('/a', files('/a')), { message: none });
  const two = '--cache-file: is for one export, and /a has nbd://h/x and nbd://h/y';
  t.throws(() => exportToCache('/a', files('nbd://h/x', 'nbd://h/y')), { message: two });
});

test('no image has the name of a partition that is shown', (t) => {
  const partitions = { table: { partitions: [{ number: 1, start: 0, size: 512 }] } } as never;
  const disk = { name: 'vm', path: '/vm', partitions };
  t.notThrows(() => checkPartitionNames([disk], [{ name: 'vm.p2', path: '/other' }]));
  const clash = () => checkPartitionNames([disk], [{ name: 'vm.p1', path: '/other' }]);
  t.throws(clash, {
    message: /^\/other: the name "vm.p1" is that of partition 1 of \/vm; give one/,
  });
});
