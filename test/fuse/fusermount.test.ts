import test from 'ava';
import { fusermountMountError, fusermountUnmountError } from '../../src/fuse/fusermount.js';

// The messages are those of fusermount3 3.14.
for (const [stderr, errno, text] of [
  [
    "fusermount3: option allow_other only allowed if 'user_allow_other' is set in /etc/fuse.conf\n",
    'EPERM',
    '/mnt/s: allow_other is off for users; put the line user_allow_other into /etc/fuse.conf',
  ],
  [
    'fusermount3: user has no write access to mountpoint /mnt/s\n',
    'EACCES',
    '/mnt/s: the mount point is not writable for you',
  ],
  [
    'fusermount3: mounting over filesystem type 0x00009fa0 is forbidden\n',
    'EPERM',
    '/mnt/s: fusermount3 forbids mounts on this file system; choose a directory on a disk or tmpfs',
  ],
  [
    'fusermount3: unsafe option dev ignored\nfusermount3: mount failed: Operation not permitted\n',
    'EPERM',
    '/mnt/s: mounting is not permitted here; in a container pass --cap-add SYS_ADMIN ' +
      '--device /dev/fuse',
  ],
  [
    "fusermount3: fuse device not found, try 'modprobe fuse' first\n",
    'ENOENT',
    '/dev/fuse: missing; load the fuse module (modprobe fuse), or in a container pass ' +
      '--device /dev/fuse',
  ],
  [
    'fusermount3: failed to open /dev/fuse: Permission denied\n',
    'EACCES',
    '/dev/fuse: may not be opened; ask for read and write permission on it (chmod 666 /dev/fuse)',
  ],
  [
    'fusermount3: mount failed: Bad thing\n',
    'EIO',
    '/mnt/s: fusermount3 failed: mount failed: Bad thing',
  ],
  ['', 'EIO', '/mnt/s: fusermount3 failed: it gave no reason'],
] as const) {
  test(`fusermount3 says ${JSON.stringify(stderr)}: ${errno} and one sentence`, (t) => {
    const error = fusermountMountError('/mnt/s', stderr);
    t.is(error.message, text);
    t.is(error.errno, errno);
    t.is(error.exitCode, 4);
  });
}

test('a busy mount and somebody else’s mount are told apart when unmounting', (t) => {
  const busy = 'fusermount3: failed to unmount /mnt/s: Device or resource busy\n';
  t.is(fusermountUnmountError('/mnt/s', busy).errno, 'EBUSY');
  const foreign = 'fusermount3: entry for /mnt/s not found in /etc/mtab\n';
  t.is(fusermountUnmountError('/mnt/s', foreign).errno, 'EPERM');
});
