import test from 'ava';
import { nativeStat, nativeStatfs } from '../../src/fuse/native-attributes.js';

test('times become milliseconds, rounded down, also before 1970', (t) => {
  const at = (seconds: number, nanoseconds: number) => ({ seconds, nanoseconds });
  const times = {
    accessed: at(-1, 750_000_000),
    modified: at(1_700_000_001, 123_999_999),
    changed: at(0, 999_999),
  };
  const owner = { uid: 1, gid: 2 };
  const shown = { mode: 0o100600, links: 1, owner, size: 512, blocks: 8, ioBytes: 4096, times };
  const names = { ino: 9, nlink: 1, blksize: 4096, uid: 1, gid: 2 };
  t.deepEqual(nativeStat(9, shown), {
    ...{ mode: 0o100600, size: 512, blocks: 8, ...names },
    ...{ atime: -250, mtime: 1_700_000_001_123, ctime: 0 },
  });
});

test('free blocks are available to everybody', (t) => {
  const { bfree, bavail, blocks } = nativeStatfs({ blocks: 100, free: 40 });
  t.deepEqual([blocks, bfree, bavail], [100, 40, 40]);
});
