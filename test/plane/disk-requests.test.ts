import test from 'ava';
import { difference } from '../helpers/same-bytes.js';
import { pattern } from '../helpers/temp.js';
import {
  allocateBody,
  Bench,
  DISK,
  FALLOCATE,
  FSYNC,
  GETATTR,
  INIT,
  ioBody,
  LSEEK,
  OPEN,
  READ,
  SETATTR,
  seekBody,
  truncateBody,
  WRITE,
  writeBody,
} from './bench.js';
import { timesAt } from './fake-host.js';

const EPERM = 1;
const EIO = 5;
const ENXIO = 6;
const EFBIG = 27;
const EINVAL = 22;
const ENOSPC = 28;
const EROFS = 30;
const EPROTO = 71;
const EOPNOTSUPP = 95;

const KEEP_SIZE = 1;
const PUNCH_HOLE = 2;
const ZERO_RANGE = 16;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

const HOST = new Uint8Array(pattern(20000, 7));
const NOTHING = new Uint8Array();

function zeroed(from: number, to: number): Uint8Array {
  const content = HOST.slice();
  content.fill(0, from, to);
  return content;
}

function allocate(bench: Bench, mode: number, offset: number, length: number): number | Uint8Array {
  return bench.answer(FALLOCATE, DISK, allocateBody(mode, offset, length));
}

for (const alignment of [1, 512]) {
  test(`alignment ${alignment}: punching and zeroing go to the host as they are`, (t) => {
    for (const mode of [PUNCH_HOLE | KEEP_SIZE, ZERO_RANGE, ZERO_RANGE | KEEP_SIZE]) {
      const bench = new Bench({ contents: [HOST], alignment });
      t.deepEqual(allocate(bench, mode, 700, 1000), NOTHING);
      t.is(difference(bench.host.files[0]!.content, zeroed(700, 1700)), null);
      t.deepEqual(bench.host.files[0]!.log, ['allocate 700+1000']);
      t.true(bench.disks[0]!.image.dirty);
      bench.assertIdle();
    }
  });

  test(`alignment ${alignment}: what keeps the size is cut at the end of the image`, (t) => {
    const bench = new Bench({ contents: [HOST], alignment });
    t.deepEqual(allocate(bench, PUNCH_HOLE | KEEP_SIZE, 16384, 2 ** 40), NOTHING);
    t.deepEqual(bench.host.files[0]!.log, ['allocate 16384+4096']);
    t.deepEqual(allocate(bench, PUNCH_HOLE | KEEP_SIZE, 20480, 512), NOTHING);
    t.deepEqual(allocate(bench, PUNCH_HOLE | KEEP_SIZE, 2 ** 40, 512), NOTHING);
    t.is(bench.host.files[0]!.log.length, 1);
    bench.assertIdle();
  });

  test(`alignment ${alignment}: zeros are written where the host knows no other way`, (t) => {
    const bench = new Bench({ contents: [HOST], alignment });
    bench.host.fault = (op) => (op.kind === 'allocate' ? -EOPNOTSUPP : null);
    t.deepEqual(allocate(bench, PUNCH_HOLE | KEEP_SIZE, 512, 1024), NOTHING);
    t.deepEqual(allocate(bench, ZERO_RANGE | KEEP_SIZE, 4096, 8192), NOTHING);
    const expected = zeroed(512, 1536);
    expected.fill(0, 4096, 12288);
    t.is(difference(bench.host.files[0]!.content, expected), null);
    bench.assertIdle();
  });
}

test('fallocate past the end of a fixed disk is ENOSPC, up to the end it is not', (t) => {
  const bench = new Bench({ contents: [HOST] });
  t.is(allocate(bench, 0, 20000, 481), -ENOSPC);
  t.is(allocate(bench, ZERO_RANGE, 0, 20481), -ENOSPC);
  t.is(allocate(bench, 0, 2 ** 60, 2 ** 60), -ENOSPC);
  t.deepEqual(bench.host.files[0]!.log, []);
  t.deepEqual(allocate(bench, 0, 20000, 480), NOTHING);
  t.is(bench.size, 20480);
  bench.assertIdle();
});

test('fallocate past the end of a growable disk grows it', (t) => {
  for (const mode of [0, ZERO_RANGE]) {
    const bench = new Bench({ contents: [HOST], config: { growable: true } });
    t.deepEqual(allocate(bench, mode, 20000, 10000), NOTHING);
    t.is(bench.size, 30208);
    t.deepEqual(bench.readNow(20000, 10208), new Uint8Array(10208));
    bench.assertIdle();
  }
});

test('a host that cannot zero a range punches it, and grows when asked to', (t) => {
  const bench = new Bench({ contents: [HOST], config: { growable: true } });
  bench.host.fault = (op) => (op.mode === ZERO_RANGE ? -EOPNOTSUPP : null);
  t.deepEqual(allocate(bench, ZERO_RANGE, 19000, 5000), NOTHING);
  t.is(bench.size, 24064);
  t.deepEqual(bench.host.files[0]!.log, [
    'allocate 19000+5000',
    'allocate 19000+5000',
    'allocate 23999+1',
  ]);
  t.deepEqual(bench.readNow(19000, 5000), new Uint8Array(5000));
  bench.assertIdle();
});

test('plain fallocate that the host does not know is EOPNOTSUPP, and nothing is written', (t) => {
  const bench = new Bench({ contents: [HOST] });
  bench.host.fault = () => -EOPNOTSUPP;
  t.is(allocate(bench, 0, 0, 4096), -EOPNOTSUPP);
  t.is(allocate(bench, KEEP_SIZE, 0, 4096), -EOPNOTSUPP);
  t.is(difference(bench.host.files[0]!.content, HOST), null);
  bench.assertIdle();
});

test('zeros of more than 1 MiB are written piece by piece, short pieces too', (t) => {
  const content = new Uint8Array(pattern(3 << 20, 3));
  const bench = new Bench({ contents: [content], alignment: 512 });
  bench.host.fault = (op) => (op.kind === 'allocate' ? -EOPNOTSUPP : Math.min(op.length, 36864));
  t.deepEqual(allocate(bench, ZERO_RANGE | KEEP_SIZE, 512, (5 << 19) + 512), NOTHING);
  content.fill(0, 512, (5 << 19) + 1024);
  t.is(Buffer.compare(bench.host.files[0]!.content, content), 0);
  bench.assertIdle();
});

test('an error while zeros are written reaches the caller', (t) => {
  const bench = new Bench({ contents: [HOST] });
  for (const errno of [EIO, ENOSPC]) {
    bench.host.fault = (op) => (op.kind === 'allocate' ? -EOPNOTSUPP : -errno);
    t.is(allocate(bench, ZERO_RANGE | KEEP_SIZE, 0, 4096), -errno);
  }
  bench.assertIdle();
});

test('parts of blocks on a host that cannot zero them are EOPNOTSUPP', (t) => {
  const bench = new Bench({ contents: [HOST], alignment: 512 });
  bench.host.fault = () => -EOPNOTSUPP;
  t.is(allocate(bench, ZERO_RANGE | KEEP_SIZE, 100, 512), -EOPNOTSUPP);
  t.is(allocate(bench, PUNCH_HOLE | KEEP_SIZE, 512, 100), -EOPNOTSUPP);
  t.is(difference(bench.host.files[0]!.content, HOST), null);
  bench.assertIdle();
});

test('EIO and EFBIG of the host’s fallocate reach the caller, and the size stays', (t) => {
  const bench = new Bench({ contents: [HOST], config: { growable: true } });
  for (const errno of [EIO, EFBIG]) {
    bench.host.fault = () => -errno;
    t.is(allocate(bench, 0, 20000, 10000), -errno);
  }
  t.is(bench.size, 20480);
  bench.assertIdle();
});

test('a block device has no size to keep or to grow', (t) => {
  const bench = new Bench({ contents: [HOST.slice(0, 4096)], blockDevice: true });
  const modes: number[] = [];
  bench.host.fault = (op) => {
    modes.push(op.mode);
    return null;
  };
  t.deepEqual(allocate(bench, ZERO_RANGE, 0, 512), NOTHING);
  t.deepEqual(modes, [ZERO_RANGE | KEEP_SIZE]);
});

test('zeros beside an unaligned write of the same block survive it', (t) => {
  const bench = new Bench({ contents: [HOST], alignment: 512 });
  const write = bench.write(0, HOST.slice(0, 100));
  bench.step('read');
  const zero = bench.send(FALLOCATE, DISK, allocateBody(ZERO_RANGE | KEEP_SIZE, 100, 412));
  // Pending operations are carried out newest first, as the kernel may do.
  while (bench.host.pending.length > 0) bench.stepAt(bench.host.pending.length - 1);
  t.is(bench.written(write), 100);
  t.is(bench.reply(zero).error, 0);
  t.is(difference(bench.host.files[0]!.content, zeroed(100, 512)), null);
});

test('a disk that is read-only refuses to be changed, and has nothing to flush', (t) => {
  const bench = new Bench({ contents: [HOST], config: { readOnly: true, growable: true } });
  t.is(allocate(bench, ZERO_RANGE, 0, 512), -EROFS);
  t.is(bench.answer(SETATTR, DISK, truncateBody(0)), -EROFS);
  t.is(bench.answer(OPEN, DISK, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0)), -EROFS);
  t.is(bench.answer(OPEN, DISK, Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0)), -EROFS);
  t.is((bench.answer(OPEN, DISK, new Uint8Array(8)) as Uint8Array).length, 16);
  t.deepEqual(bench.answer(FSYNC, DISK, new Uint8Array(16)), NOTHING);
  t.deepEqual(bench.host.files[0]!.log, []);
  bench.assertIdle();
});

/** struct fuse_open_in with O_WRONLY | O_TRUNC, 01001 octal. */
const OPEN_TRUNCATE = Uint8Array.of(1, 2, 0, 0, 0, 0, 0, 0);

test('O_TRUNC of a fixed disk is ignored, as a block device ignores it', (t) => {
  const bench = new Bench({ contents: [HOST] });
  t.is((bench.answer(OPEN, DISK, OPEN_TRUNCATE) as Uint8Array).length, 16);
  t.is(difference(bench.host.files[0]!.content, HOST), null);
  t.is(bench.size, 20480);
  bench.assertIdle();
});

test('O_TRUNC of a growable disk empties it before the open is answered', (t) => {
  const bench = new Bench({ contents: [HOST], config: { growable: true } });
  t.is((bench.answer(OPEN, DISK, OPEN_TRUNCATE) as Uint8Array).length, 16);
  t.is(bench.host.files[0]!.size, 0);
  t.is(bench.size, 0);
  const [{ opens, pendingOpens } = { opens: 0, pendingOpens: 0 }] = bench.disks;
  t.deepEqual([opens, pendingOpens], [1, 0]);
  t.deepEqual(bench.readNow(0, 512), NOTHING);
  bench.assertIdle();
});

test('truncate of a fixed disk is EPERM, to its own size it is nothing', (t) => {
  const bench = new Bench({ contents: [HOST] });
  t.is(bench.answer(SETATTR, DISK, truncateBody(0)), -EPERM);
  t.is(bench.answer(SETATTR, DISK, truncateBody(20000)), -EPERM);
  t.is(bench.answer(SETATTR, DISK, truncateBody(20481)), -EPERM);
  t.is((bench.answer(SETATTR, DISK, truncateBody(20480)) as Uint8Array).length, 104);
  t.deepEqual(bench.host.files[0]!.log, []);
  bench.assertIdle();
});

test('truncate of a growable disk cuts and grows it, in sectors as seen from outside', (t) => {
  const bench = new Bench({ contents: [HOST], config: { growable: true } });
  const attributes = bench.answer(SETATTR, DISK, truncateBody(1000)) as Uint8Array;
  t.is(new DataView(attributes.buffer).getUint32(24, true), 1024);
  t.is(bench.host.files[0]!.size, 1000);
  t.deepEqual(bench.readNow(1000, 24), new Uint8Array(24));
  bench.answer(SETATTR, DISK, truncateBody(40000));
  t.is(bench.host.files[0]!.size, 40000);
  t.is(bench.size, 40448);
  t.deepEqual(bench.readNow(1000, 20000), new Uint8Array(20000));
  bench.assertIdle();
});

test('a truncate that the host refuses leaves the size as it was', (t) => {
  const bench = new Bench({ contents: [HOST], config: { growable: true } });
  bench.host.fault = () => -EFBIG;
  t.is(bench.answer(SETATTR, DISK, truncateBody(2 ** 50)), -EFBIG);
  t.is(bench.size, 20480);
  bench.assertIdle();
});

test('fsync that fails leaves the disk to be flushed again', (t) => {
  const bench = new Bench({ contents: [HOST] });
  bench.writeNow(0, HOST.slice(0, 512));
  bench.host.fault = () => -EIO;
  const { changes } = bench.plane.asked;
  t.is(bench.answer(FSYNC, DISK, new Uint8Array(16)), -EIO);
  t.is(bench.plane.asked.changes, changes + 1, 'the next daemon must know of the loss');
  t.true(bench.disks[0]!.image.dirty);
  bench.host.fault = () => null;
  t.deepEqual(bench.answer(FSYNC, DISK, new Uint8Array(16)), NOTHING);
  t.false(bench.disks[0]!.image.dirty);
  bench.assertIdle();
});

test('a write during a flush needs the next one', (t) => {
  const bench = new Bench({ contents: [HOST] });
  bench.send(FSYNC, DISK, new Uint8Array(16));
  bench.write(0, HOST.slice(0, 512));
  bench.run();
  t.true(bench.disks[0]!.image.dirty);
});

test('fdatasync is asked of the host as that', (t) => {
  const bench = new Bench({ contents: [HOST] });
  const modes: number[] = [];
  bench.host.fault = (op) => {
    modes.push(op.mode);
    return null;
  };
  const body = new Uint8Array(16);
  bench.answer(FSYNC, DISK, body);
  body[8] = 1;
  bench.answer(FSYNC, DISK, body);
  t.deepEqual(modes.slice(0, 2), [0, 1]);
});

/** The answer of lseek: -errno or the offset. */
function seek(bench: Bench, offset: number, whence: number): number {
  const answer = bench.answer(LSEEK, DISK, seekBody(offset, whence));
  return typeof answer === 'number' ? answer : new DataView(answer.buffer).getUint32(0, true);
}

test('the tail behind the host file is a hole', (t) => {
  const bench = new Bench({ contents: [HOST] });
  t.is(seek(bench, 0, SEEK_DATA), 0);
  t.is(seek(bench, 0, SEEK_HOLE), 20000);
  t.is(seek(bench, 20100, SEEK_HOLE), 20100);
  t.is(seek(bench, 20100, SEEK_DATA), -ENXIO);
  t.is(seek(bench, 20480, SEEK_HOLE), -ENXIO);
  t.is(seek(bench, 2 ** 60, SEEK_HOLE), -ENXIO);
  bench.assertIdle();
});

test('a block device, whose lseek knows no holes, is data up to its end', (t) => {
  const bench = new Bench({ contents: [HOST.slice(0, 8192)], blockDevice: true });
  // blkdev_llseek knows SEEK_SET, SEEK_CUR and SEEK_END only.
  bench.host.fault = (op) => (op.kind === 'seek' ? -EINVAL : null);
  t.is(seek(bench, 4096, SEEK_DATA), 4096);
  t.is(seek(bench, 4096, SEEK_HOLE), 8192);
});

test('GETATTR tells what the host has allocated now, and the time of the last write', (t) => {
  const bench = new Bench({ contents: [HOST] });
  bench.host.files[0]!.status.allocated = 20_480;
  bench.host.files[0]!.status.times = timesAt(1_700_000_000);
  const attributes = bench.answer(GETATTR, DISK, new Uint8Array(16)) as Uint8Array;
  const view = new DataView(attributes.buffer);
  t.is(view.getUint32(32, true), 40); // sectors
  t.is(view.getUint32(48, true), 1_700_000_000);
});

/** struct fuse_init_in: version 7.`minor`. */
function init(minor: number): Uint8Array {
  const body = new DataView(new ArrayBuffer(64));
  body.setUint32(0, 7, true);
  body.setUint32(4, minor, true);
  return new Uint8Array(body.buffer);
}

test('the mount is ready when the reply to INIT has left, and not before', (t) => {
  const bench = new Bench({ contents: [HOST] });
  bench.send(INIT, 0, init(45));
  t.is(bench.initialised, 0);
  bench.run();
  t.is(bench.initialised, 1);
  bench.assertIdle();
});

test('a kernel that is refused does not make the mount ready', (t) => {
  const bench = new Bench({ contents: [HOST] });
  t.is(bench.answer(INIT, 0, init(27)), -EPROTO);
  t.is(bench.initialised, 0);
});

/** A disk that is passed through: the kernel has written its file up to `size` since. */
function passed(size: number): Bench {
  const bench = new Bench({ contents: [HOST], config: { growable: true, backing: 5 } });
  const [file] = bench.host.files;
  file!.resize(size);
  file!.status.size = size;
  return bench;
}

test('of a disk that is passed through the host tells the size, whatever was known', (t) => {
  const grown = passed(30001);
  t.deepEqual(allocate(grown, PUNCH_HOLE | KEEP_SIZE, 25000, 2 ** 40), NOTHING);
  t.deepEqual(grown.host.files[0]!.log, ['allocate 25000+5001']);
  t.is(seek(grown, 30000, SEEK_HOLE), 30001);
  t.is(seek(grown, 30001, SEEK_HOLE), -ENXIO);
  const attributes = grown.answer(GETATTR, DISK, new Uint8Array(16)) as Uint8Array;
  t.is(new DataView(attributes.buffer).getUint32(24, true), 30001);
  const cut = passed(10);
  t.deepEqual(allocate(cut, PUNCH_HOLE | KEEP_SIZE, 10, 512), NOTHING);
  t.deepEqual(cut.host.files[0]!.log, []);
  // Its old size, which would have been nothing to do.
  const answer = cut.answer(SETATTR, DISK, truncateBody(20000)) as Uint8Array;
  t.is(new DataView(answer.buffer).getUint32(24, true), 20000);
  t.deepEqual([cut.host.files[0]!.size, cut.size], [20000, 20000]);
  t.is(cut.answer(SETATTR, DISK, truncateBody(2 ** 60)), -EFBIG);
  grown.assertIdle();
  cut.assertIdle();
});

test('a disk that is passed through is emptied by O_TRUNC, and neither read nor written here', (t) => {
  const bench = passed(0);
  bench.host.files[0]!.resize(512);
  t.is((bench.answer(OPEN, DISK, OPEN_TRUNCATE) as Uint8Array).length, 16);
  t.is(bench.host.files[0]!.size, 0);
  t.is(bench.answer(READ, DISK, ioBody(0, 512)), -EIO);
  t.is(bench.answer(WRITE, DISK, writeBody(0, new Uint8Array(512))), -EIO);
  bench.assertIdle();
});
