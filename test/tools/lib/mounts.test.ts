import test from 'ava';
import { parseMountPoints } from '../../../tools/lib/mounts.js';

test('mount points are unescaped', (t) => {
  const text =
    '36 35 98:0 / / rw - ext4 /dev/vda rw\n' +
    '40 36 0:30 / /mnt/a\\040b\\134c rw shared:1 - fuse.x x rw\n';
  t.deepEqual(parseMountPoints(text), ['/', '/mnt/a b\\c']);
});
