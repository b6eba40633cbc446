import test from 'ava';
import {
  fusermountOptions,
  kernelData,
  type MountPlan,
  parseMountOptions,
} from '../../src/fuse/mount-options.js';
import { SluiceError } from '../../src/util/errors.js';

// Literals from linux/mount.h.
const NOSUID = 2;
const NODEV = 4;

test('without words a mount is nosuid and nodev, and nothing else', (t) => {
  t.deepEqual(parseMountOptions([]), {
    flags: NOSUID | NODEV,
    allowOther: false,
    maxRead: null,
    source: null,
  });
});

for (const [words, flags] of [
  ['ro', 1 | NOSUID | NODEV],
  ['ro,rw', NOSUID | NODEV],
  ['suid', NODEV],
  ['dev', NOSUID],
  ['noexec', 8 | NOSUID | NODEV],
  ['user,exec', NOSUID | NODEV],
  ['users', 8 | NOSUID | NODEV],
  ['sync,dirsync', 16 | 128 | NOSUID | NODEV],
  ['sync,async', NOSUID | NODEV],
  ['noatime', 1024 | NOSUID | NODEV],
  ['relatime,noatime', 1024 | NOSUID | NODEV],
  ['noatime,strictatime', 0x1000000 | NOSUID | NODEV],
  ['nodiratime', 2048 | NOSUID | NODEV],
  ['lazytime', 0x2000000 | NOSUID | NODEV],
  ['defaults,noauto,nofail,_netdev,x-systemd.automount,comment=a', NOSUID | NODEV],
  ['nonempty,default_permissions', NOSUID | NODEV],
] as const) {
  test(`the words ${words} give the flags ${flags}`, (t) => {
    t.is(parseMountOptions([words]).flags, flags);
    t.is(parseMountOptions(words.split(',')).flags, flags);
  });
}

test('the words of FUSE are taken out, and a backslash keeps a comma in its word', (t) => {
  const options = parseMountOptions(['allow_other,max_read=65536', String.raw`fsname=a\,b\\c`]);
  t.true(options.allowOther);
  t.is(options.maxRead, 65536);
  t.is(options.source, String.raw`a,b\c`);
});

for (const [word, text] of [
  ['frobnicate', 'mount option "frobnicate" is not known; see mount(8) and mount.fuse3(8)'],
  ['fd=3', 'mount option "fd=3" is not known; see mount(8) and mount.fuse3(8)'],
  ['RO', 'mount option "RO" is not known; see mount(8) and mount.fuse3(8)'],
  [
    'auto_unmount',
    'mount option "auto_unmount" is not supported; end the mount with: sluice umount',
  ],
  ['max_read=0', 'mount option "max_read=0": at least 4096 bytes are needed'],
  ['max_read=64K', 'mount option "max_read=64K": at least 4096 bytes are needed'],
] as const) {
  test(`the word ${word} is refused with a sentence`, (t) => {
    const error = t.throws(() => parseMountOptions(['ro', word]), { instanceOf: SluiceError });
    t.is(error?.message, text);
    t.is(error?.errno, 'EINVAL');
    t.is(error?.exitCode, 2);
  });
}

const PLAN: MountPlan = {
  mountpoint: '/mnt/s',
  source: String.raw`/img/a,b\c.raw`,
  flags: 0,
  allowOther: false,
  maxRead: 1048576,
};

test('the kernel gets the descriptor, the mode of a directory in octal and the owner', (t) => {
  t.is(
    kernelData(PLAN, 21, 1000, 100),
    'fd=21,rootmode=40000,user_id=1000,group_id=100,default_permissions,max_read=1048576',
  );
  t.true(kernelData({ ...PLAN, allowOther: true }, 21, 0, 0).endsWith(',allow_other'));
});

test('fusermount3 gets words, and a name whose commas and backslashes are escaped', (t) => {
  t.is(
    fusermountOptions({ ...PLAN, flags: 1 | NOSUID | NODEV | 8 | 1024, allowOther: true }),
    'ro,noexec,noatime,default_permissions,max_read=1048576,allow_other,subtype=sluice,' +
      String.raw`fsname=/img/a\,b\\c.raw`,
  );
  t.regex(fusermountOptions(PLAN), /^rw,suid,dev,default_permissions,/);
});

test('access time words that fusermount3 does not know are left out', (t) => {
  const { flags } = parseMountOptions(['relatime,lazytime,nodiratime']);
  t.regex(fusermountOptions({ ...PLAN, flags }), /^rw,default_permissions,/);
});
