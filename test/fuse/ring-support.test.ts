import test from 'ava';
import { ringQueueCount } from '../../src/fuse/ring-support.js';
import { SluiceError } from '../../src/util/errors.js';

test('there is a queue for each possible processor', (t) => {
  t.is(ringQueueCount('on', '0-1\n'), 2);
  t.is(ringQueueCount('on', '0\n'), 1);
  t.is(ringQueueCount('on', '0-3,6,8-9\n'), 7);
});

test('a kernel that is too old, and one that has it turned off, are told apart', (t) => {
  const old = t.throws(() => ringQueueCount(null, '0-1'), { instanceOf: SluiceError });
  t.like(old, { errno: 'ENOSYS', exitCode: 4 });
  t.regex(old.message, /Linux 6\.14 or newer/);
  const off = t.throws(() => ringQueueCount('off', '0-1'), { instanceOf: SluiceError });
  t.like(off, { errno: 'EOPNOTSUPP', exitCode: 4 });
  t.is(
    off.message,
    'FUSE over io_uring is turned off; as root, run `echo Y > /sys/module/fuse/parameters/enable_uring`',
  );
});

test('a machine with so many processors that queues would be short is refused', (t) => {
  t.is(ringQueueCount('on', '0-7\n'), 8);
  const many = t.throws(() => ringQueueCount('on', '0-8'), { instanceOf: SluiceError });
  t.like(many, { errno: 'EOPNOTSUPP', exitCode: 4 });
  t.is(
    many.message,
    'FUSE over io_uring: it is for machines that can have up to 8 processors, this one 9; use --transport uring',
  );
});
