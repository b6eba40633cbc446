import test from 'ava';
import { mountOf, parseMountTable, topMount } from '../../src/sys/mount-table.js';

const TEXT = [
  '27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard',
  String.raw`60 27 0:50 / /mnt/a\040b\134c rw,nosuid shared:7 master:2 - fuse.sluice a-b.raw rw,user_id=0`,
  '61 27 0:51 / /mnt/s rw - fuse.sluice - rw',
  '55 61 0:52 / /mnt/s rw - tmpfs tmpfs rw',
  '',
].join('\n');

test('optional fields are skipped, octal escapes are decoded', (t) => {
  const table = parseMountTable(TEXT);
  t.is(table.length, 4);
  t.deepEqual(table[1], {
    id: '60',
    parent: '27',
    device: '0:50',
    mountpoint: String.raw`/mnt/a b\c`,
    type: 'fuse.sluice',
    source: 'a-b.raw',
    options: 'rw,user_id=0',
  });
  t.is(table[2].type, 'fuse.sluice');
});

test('of two mounts on one place the one that is no parent of the other is on top', (t) => {
  const table = parseMountTable(TEXT);
  t.is(topMount(table, '/mnt/s')?.device, '0:52');
  t.is(topMount([...table].reverse(), '/mnt/s')?.device, '0:52');
  t.is(topMount(table, '/mnt'), null);
});

test('a file lies on the mount that is nearest above it', (t) => {
  const table = parseMountTable(TEXT);
  const devices = ['/mnt/s/disk.raw', '/mnt/s', '/mnt/sx', '/etc/fstab', '/'].map(
    (path) => mountOf(table, path)?.device,
  );
  t.deepEqual(devices, ['0:52', '0:52', '254:0', '254:0', '254:0']);
  t.is(mountOf([], '/etc/fstab'), null);
});
