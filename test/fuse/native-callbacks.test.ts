import test from 'ava';
import { nativeStat, nativeStatfs } from '../../src/fuse/native-callbacks.js';
import { nativeSetUp } from './native-setup.js';

const EPERM = 1;
const ENOENT = 2;
const EIO = 5;
const EISDIR = 21;
const ENOTDIR = 20;
const ESTALE = 116;
const EOPNOTSUPP = 95;

test('getattr of a disk asks the host first', (t) => {
  const { disks, callbacks, call } = nativeSetUp();
  t.deepEqual(
    call((answer) => callbacks.getattr('/web.raw', answer)),
    [
      0,
      {
        mode: 0o100640,
        uid: 1000,
        gid: 100,
        size: 1_000_448,
        nlink: 1,
        ino: 2,
        blksize: 256 << 10,
        blocks: 8,
        atime: 1_700_000_000_250,
        mtime: 1_700_000_001_123,
        ctime: 1_700_000_002_000,
      },
    ],
  );
  t.deepEqual(disks.calls, ['refresh 7']);
  disks.openAnswer = -EIO;
  t.deepEqual(
    call((answer) => callbacks.getattr('/web.raw', answer)),
    [-EIO],
  );
});

for (const [pageCache, size] of [
  [false, 0],
  [true, 9],
] as const) {
  test(`a control file shows the length ${size}, page cache ${pageCache}`, (t) => {
    const { callbacks, call } = nativeSetUp(pageCache);
    const [, stat] = call((answer) => callbacks.getattr('/.groups/io.max', answer));
    t.is((stat as { size: number }).size, size);
  });
}

test('a path that is not there is ENOENT', (t) => {
  const { callbacks, call, disks } = nativeSetUp();
  for (const path of ['/nowhere', '/web.raw/x', '/.groups/none/io.max']) {
    t.deepEqual(
      [
        call((answer) => callbacks.getattr(path, answer)),
        call((answer) => callbacks.open(path, 0, answer)),
        call((answer) => callbacks.truncate(path, 0, answer)),
        call((answer) => callbacks.readdir(path, answer)),
        call((answer) => callbacks.mkdir(`${path}/new`, 0, answer)),
      ],
      Array.from({ length: 5 }, () => [-ENOENT]),
    );
  }
  t.deepEqual(disks.calls, []);
});

test('statfs counts blocks of 4096 bytes', (t) => {
  const { callbacks, call } = nativeSetUp();
  const counts = { blocks: 245, bfree: 243, bavail: 243, files: 0, ffree: 0 };
  t.deepEqual(
    call((answer) => callbacks.statfs('/', answer)),
    [0, { ...counts, bsize: 4096, frsize: 4096, namemax: 255 }],
  );
});

test('readdir lists a directory, and nothing else', (t) => {
  const { callbacks, call } = nativeSetUp();
  t.deepEqual(
    call((answer) => callbacks.readdir('/', answer)),
    [0, ['.', '..', 'web.raw', '.groups']],
  );
  t.deepEqual(
    call((answer) => callbacks.readdir('/web.raw', answer)),
    [-ENOTDIR],
  );
});

test('truncate is answered when the plane replies', (t) => {
  const { session, disks, callbacks, call } = nativeSetUp();
  let answer: number | null = null;
  callbacks.truncate('/web.raw', 512, (result) => {
    answer = result;
  });
  t.deepEqual([disks.calls, session.held, answer], [['resize 7 512'], 1, null]);
  session.reply(disks.begun, 0, 0, false);
  t.deepEqual([session.held, answer], [0, 0]);
  t.deepEqual(
    call((done) => callbacks.truncate('/.groups', 0, done)),
    [-EISDIR],
  );
});

test('each open has a number of its own, which leads to its node until it is released', (t) => {
  const { session, disks, callbacks, call, open } = nativeSetUp();
  const [first, second] = [open('/web.raw'), open('/web.raw')];
  t.not(first, second);
  callbacks.fsync('/web.raw', 1, first, () => {});
  callbacks.fsync('/web.raw', 0, second, () => {});
  t.deepEqual(disks.calls.slice(2), ['flush 7 dataOnly=true', 'flush 7 dataOnly=false']);
  t.deepEqual(
    call((answer) => callbacks.release('/web.raw', first, answer)),
    [0],
  );
  t.deepEqual(
    call((answer) => callbacks.fsync('/web.raw', 0, first, answer)),
    [-ESTALE],
  );
  t.is(session.handles.node(second), 2);
});

test('mkdir and rmdir make and remove groups, and a turn follows', (t) => {
  const { loop, changes, callbacks, call } = nativeSetUp();
  t.deepEqual(
    call((answer) => callbacks.mkdir('/.groups/gold', 0o755, answer)),
    [0],
  );
  t.deepEqual(
    call((answer) => callbacks.rmdir('/.groups/gold', answer)),
    [0],
  );
  t.deepEqual([changes, loop.turns], [['make gold', 'remove gold'], 2]);
  t.deepEqual(
    call((answer) => callbacks.mkdir('/new', 0o755, answer)),
    [-EPERM],
  );
});

test('files, owners and modes are the mount’s to decide', (t) => {
  const { callbacks, call } = nativeSetUp();
  const answers = [
    call((answer) => callbacks.unlink('/web.raw', answer)),
    call((answer) => callbacks.mknod('/new', 0, 0, answer)),
    call((answer) => callbacks.create('/new', 0, answer)),
    call((answer) => callbacks.rename('/web.raw', '/new', answer)),
    call((answer) => callbacks.link('/web.raw', '/new', answer)),
    call((answer) => callbacks.symlink('/web.raw', '/new', answer)),
    call((answer) => callbacks.chmod('/web.raw', 0, answer)),
    call((answer) => callbacks.chown('/web.raw', 0, 0, answer)),
  ];
  t.deepEqual(new Set(answers.flat()), new Set([-EPERM]));
  t.deepEqual(
    call((answer) => callbacks.utimens('/web.raw', 0, 0, answer)),
    [-EOPNOTSUPP],
  );
});

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
