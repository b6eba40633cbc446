import test from 'ava';
import { DEFERRED } from '../../src/plane/transport.js';
import { DISK, DISK_ATTRIBUTES, Exchange, GROUPS, hex, IO_MAX, ROOT } from './exchange.js';

const GETATTR = 3;
const SETATTR = 4;
const STATFS = 17;
const ACCESS = 34;
const EIO = 5;
const EISDIR = 21;
const EPERM = 1;
const EROFS = 30;

const GETATTR_IN = hex('flags 00000000', 'dummy 00000000', 'fh 0000000000000000');
const VALID_1S = ['valid 0100000000000000', 'valid_ns 00000000', 'dummy 00000000'];

function setattr(valid: string, size = '0000000000000000'): Uint8Array {
  return hex(`valid ${valid}`, 'padding 00*4', 'fh 00*8', `size ${size}`, 'rest 00*64');
}

test('GETATTR of a disk asks the host first and tells size, blocks, time, mode and owner', (t) => {
  const exchange = new Exchange();
  t.deepEqual(exchange.send(GETATTR, DISK, GETATTR_IN), hex(...VALID_1S, ...DISK_ATTRIBUTES));
  t.deepEqual(exchange.disks.calls, ['refresh 7']);
});

test('GETATTR hands on why the host could not be asked', (t) => {
  const exchange = new Exchange();
  exchange.disks.openAnswer = -EIO;
  t.is(exchange.send(GETATTR, DISK, GETATTR_IN), -EIO);
});

test('a disk of 2^53 - 512 bytes is encoded right', (t) => {
  const exchange = new Exchange();
  exchange.disks.state.size = 9007199254740480;
  exchange.disks.state.allocated = 1;
  const reply = exchange.send(GETATTR, DISK, GETATTR_IN) as Uint8Array;
  t.deepEqual(reply.subarray(24, 40), hex('size 00feffffffff1f00', 'blocks 0100000000000000'));
});

test('a time before 1970 is encoded as signed seconds and a positive rest', (t) => {
  const exchange = new Exchange();
  exchange.disks.state.times.accessed = { seconds: -1, nanoseconds: 750_000_000 };
  const reply = exchange.send(GETATTR, DISK, GETATTR_IN) as Uint8Array;
  t.deepEqual(reply.subarray(64, 68), hex('atime_ns 8017b42c')); // 750000000
  t.deepEqual(reply.subarray(40, 48), hex('atime ff*8'));
});

test('GETATTR of a control file holds for no time at all', (t) => {
  const reply = new Exchange().send(GETATTR, IO_MAX, GETATTR_IN) as Uint8Array;
  t.is(reply.length, 104);
  t.deepEqual(reply.subarray(0, 16), hex('valid 00*16'));
  t.deepEqual(reply.subarray(76, 80), hex('mode 24810000'));
});

test('a directory has two links and one for each directory in it', (t) => {
  const exchange = new Exchange();
  t.deepEqual((exchange.send(GETATTR, ROOT, GETATTR_IN) as Uint8Array)[80], 3);
  exchange.tree.addDirectory(exchange.tree.root, 'more');
  t.deepEqual((exchange.send(GETATTR, ROOT, GETATTR_IN) as Uint8Array)[80], 4);
});

test('SETATTR of a size is handed on and answered with the new attributes when it is done', (t) => {
  const exchange = new Exchange();
  t.is(exchange.send(SETATTR, DISK, setattr('08000000', '0000001000000000')), DEFERRED);
  t.deepEqual(exchange.disks.calls, ['resize 7 268435456']);
  exchange.disks.state.size = 512;
  const reply = exchange.finish(0) as Uint8Array;
  t.is(reply.length, 104);
  t.deepEqual(reply.subarray(24, 32), hex('size 0002000000000000'));
});

test('SETATTR hands on a refusal, at once or later', (t) => {
  const exchange = new Exchange();
  exchange.disks.answer = -EROFS;
  t.is(exchange.send(SETATTR, DISK, setattr('08000000')), -EROFS);
  t.is(exchange.finish(-EIO), -EIO);
});

test('a size that is negative, or above 2^53, becomes the largest number there is', (t) => {
  const exchange = new Exchange();
  exchange.send(SETATTR, DISK, setattr('08000000', 'ffffffffffffffff'));
  exchange.send(SETATTR, DISK, setattr('08000000', '0000000000002000'));
  t.deepEqual(exchange.disks.calls, ['resize 7 9007199254740991', 'resize 7 9007199254740991']);
});

for (const [what, valid] of [
  ['the mode', '01000000'],
  ['the owner', '02000000'],
  ['the owning group', '04000000'],
  ['the size and the owner', '0a000000'],
] as const) {
  test(`SETATTR of ${what} is EPERM and changes nothing`, (t) => {
    const exchange = new Exchange();
    t.is(exchange.send(SETATTR, DISK, setattr(valid)), -EPERM);
    t.is(exchange.send(SETATTR, IO_MAX, setattr(valid)), -EPERM);
    t.deepEqual(exchange.disks.calls, []);
  });
}

test('SETATTR of times is handed on to the nanosecond; what is not named stays', (t) => {
  const exchange = new Exchange();
  const body = (valid: string): Uint8Array =>
    hex(
      `valid ${valid}`,
      'padding 00*20',
      'lock 00*8',
      'atime 0100000000000000',
      'mtime 00f1536500000000',
      'ctime 00*8',
      'atime_ns 02000000',
      'mtime_ns 15cd5b07',
      'rest 00*24',
    );
  t.is(exchange.send(SETATTR, DISK, body('30000000')), DEFERRED);
  t.is(exchange.send(SETATTR, DISK, body('20000000')), DEFERRED);
  t.is(exchange.send(SETATTR, DISK, body('b0010000')), DEFERRED);
  t.deepEqual(exchange.disks.calls, [
    'times 7 0100000000000000020000000000000000f153650000000015cd5b0700000000',
    'times 7 0100000000000000feffff3f0000000000f153650000000015cd5b0700000000',
    'times 7 0100000000000000ffffff3f0000000000f1536500000000ffffff3f00000000',
  ]);
  exchange.disks.answer = -EROFS;
  t.is(exchange.send(SETATTR, DISK, body('30000000')), -EROFS);
  // The times of a control file have no meaning: they can be set to now, as by touch(1), and not else.
  t.is(exchange.send(SETATTR, IO_MAX, body('30000000')), -EPERM);
  t.is((exchange.send(SETATTR, IO_MAX, body('b0010000')) as Uint8Array).length, 104);
});

test('SETATTR of the size of a control file is ignored, of a directory EISDIR', (t) => {
  const exchange = new Exchange();
  t.is((exchange.send(SETATTR, IO_MAX, setattr('08000000')) as Uint8Array).length, 104);
  t.is(exchange.send(SETATTR, GROUPS, setattr('08000000')), -EISDIR);
});

test('STATFS adds up the disks in blocks of 4096, free is what the hosts have not allocated', (t) => {
  const exchange = new Exchange();
  exchange.tree.addDisk(exchange.tree.root, 'b.raw', 8);
  t.deepEqual(
    exchange.send(STATFS, ROOT),
    hex(
      'blocks e901000000000000', // 2 x 1000448 bytes in 489 blocks
      'bfree e601000000000000', // 2 x 996352 bytes in 486 whole blocks
      'bavail e601000000000000',
      'files 00*8',
      'ffree 00*8',
      'bsize 00100000',
      'namelen ff000000',
      'frsize 00100000',
      'padding 00*4',
      'spare 00*24',
    ),
  );
});

test('ACCESS is granted: modes are the kernel’s to check', (t) => {
  const exchange = new Exchange();
  for (const node of [ROOT, DISK, IO_MAX]) {
    t.deepEqual(
      exchange.send(ACCESS, node, hex('mask 02000000', 'padding 00*4')),
      new Uint8Array(),
    );
  }
});
