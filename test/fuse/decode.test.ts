import test from 'ava';
import { DEFERRED } from '../../src/plane/transport.js';
import { DISK, Exchange, GROUPS, hex, IO_MAX, ROOT } from './exchange.js';

const OPEN = 14;
const READ = 15;
const WRITE = 16;
const RELEASE = 18;
const FSYNC = 20;
const FLUSH = 25;
const OPENDIR = 27;
const READDIR = 28;
const FALLOCATE = 43;
const LSEEK = 46;
const EACCES = 13;
const EIO = 5;
const EISDIR = 21;
const ENOSPC = 28;
const EOPNOTSUPP = 95;
const EROFS = 30;

const NOTHING = new Uint8Array();

function open(flags: string): Uint8Array {
  return hex(`flags ${flags}`, 'open_flags 00000000');
}

/** struct fuse_read_in or fuse_write_in. */
function io(offset: string, size: string, flags = '00000000'): Uint8Array {
  return hex('fh 00*8', `offset ${offset}`, `size ${size}`, `flags ${flags}`, 'rest 00*16');
}

function write(offset: string, size: string, payload: string, flags?: string): Uint8Array {
  return Uint8Array.from([...io(offset, size, flags), ...hex(`payload ${payload}`)]);
}

test('OPEN of a disk: every transfer comes to us, writes side by side', (t) => {
  const exchange = new Exchange();
  const opened = hex('fh 00*8', 'open_flags 41000000', 'backing_id 00*4');
  t.deepEqual(exchange.send(OPEN, DISK, open('00000000')), opened);
  t.deepEqual(exchange.send(OPEN, DISK, open('01000000')), opened);
  t.deepEqual(exchange.send(OPEN, DISK, open('02020000')), opened);
  t.deepEqual(exchange.disks.calls, [
    'open 7 writing=false truncate=false',
    'open 7 writing=true truncate=false',
    'open 7 writing=true truncate=true',
  ]);
});

test('OPEN of a disk with the page cache on leaves the file to the kernel’s cache', (t) => {
  const opened = hex('fh 00*8', 'open_flags 00000000', 'backing_id 00*4');
  t.deepEqual(new Exchange(true).send(OPEN, DISK, open('02000000')), opened);
});

test('OPEN hands on a refusal, and an answer that comes later', (t) => {
  const exchange = new Exchange();
  exchange.disks.openAnswer = -EROFS;
  t.is(exchange.send(OPEN, DISK, open('01000000')), -EROFS);
  exchange.disks.openAnswer = DEFERRED;
  t.is(exchange.send(OPEN, DISK, open('02020000')), DEFERRED);
  t.deepEqual(exchange.finish(0), hex('fh 00*8', 'open_flags 41000000', 'backing_id 00*4'));
});

test('OPEN of a directory is EISDIR; OPENDIR needs no handle', (t) => {
  const exchange = new Exchange();
  t.is(exchange.send(OPEN, GROUPS, open('00000000')), -EISDIR);
  t.deepEqual(exchange.send(OPENDIR, GROUPS, open('00000000')), hex('fh 00*8', 'flags 00*8'));
});

test('READ of a disk is handed on with its offset and size', (t) => {
  const exchange = new Exchange();
  t.is(exchange.send(READ, DISK, io('0010000000000000', '00001000')), DEFERRED);
  t.is(exchange.send(READ, DISK, io('0000000001000000', '01000000')), DEFERRED);
  t.is(exchange.send(READ, DISK, io('ffffffffffffffff', '00020000')), DEFERRED);
  t.deepEqual(exchange.disks.calls, [
    'read 7 4096 1048576',
    'read 7 4294967296 1',
    'read 7 9007199254740991 512',
  ]);
});

test('READ and READDIR of more than the largest transfer are EIO: no slot has room for it', (t) => {
  const exchange = new Exchange();
  for (const size of ['01001000', 'ffffffff']) {
    t.is(exchange.send(READ, DISK, io('00*8', size)), -EIO);
    t.is(exchange.send(READDIR, ROOT, io('00*8', size)), -EIO);
  }
  t.true(exchange.send(READDIR, ROOT, io('00*8', '00001000')) instanceof Uint8Array);
  t.deepEqual(exchange.disks.calls, []);
});

test('READ past the end answers with nothing; an error stays one', (t) => {
  const exchange = new Exchange();
  exchange.disks.answer = 0;
  t.deepEqual(exchange.send(READ, DISK, io('0010000000000000', '00001000')), NOTHING);
  t.is(exchange.finish(-EIO), -EIO);
});

test('WRITE of a disk is handed on, and answered with the bytes written', (t) => {
  const exchange = new Exchange();
  t.is(exchange.send(WRITE, DISK, write('0010000000000000', '04000000', 'abcdef01')), DEFERRED);
  t.is(
    exchange.send(WRITE, DISK, write('0020000000000000', '04000000', '00*4', '01000000')),
    DEFERRED,
  );
  t.deepEqual(exchange.disks.calls, ['write 7 4096 4 cache=false', 'write 7 8192 4 cache=true']);
  t.deepEqual(exchange.finish(3), hex('size 03000000', 'padding 00000000'));
  t.is(exchange.finish(-ENOSPC), -ENOSPC);
});

test('WRITE that says more bytes than it carries is EIO and writes nothing', (t) => {
  const exchange = new Exchange();
  t.is(exchange.send(WRITE, DISK, write('0010000000000000', '05000000', 'abcdef01')), -EIO);
  t.is(exchange.send(WRITE, DISK, write('0010000000000000', 'ffffffff', 'abcdef01')), -EIO);
  t.deepEqual(exchange.disks.calls, []);
});

test('WRITE that carries more bytes than it says writes those it says', (t) => {
  const exchange = new Exchange();
  exchange.send(WRITE, DISK, write('0010000000000000', '03000000', 'abcdef01'));
  t.deepEqual(exchange.disks.calls, ['write 7 4096 3 cache=false']);
});

test('READ and WRITE of a directory are EISDIR', (t) => {
  const exchange = new Exchange();
  t.is(exchange.send(READ, ROOT, io('00*8', '00020000')), -EISDIR);
  t.is(exchange.send(WRITE, ROOT, write('00*8', '01000000', '00')), -EISDIR);
});

test('FSYNC is handed on, fdatasync told apart by its flag', (t) => {
  const exchange = new Exchange();
  t.is(exchange.send(FSYNC, DISK, hex('fh 00*8', 'flags 00000000', 'padding 00*4')), DEFERRED);
  t.is(exchange.send(FSYNC, DISK, hex('fh 00*8', 'flags 01000000', 'padding 00*4')), DEFERRED);
  t.deepEqual(exchange.disks.calls, ['flush 7 dataOnly=false', 'flush 7 dataOnly=true']);
  t.deepEqual(exchange.finish(0), NOTHING);
  t.is(exchange.finish(-EIO), -EIO);
});

test('FSYNC of a control file has nothing to do', (t) => {
  const exchange = new Exchange();
  t.deepEqual(exchange.send(FSYNC, IO_MAX, hex('fh 00*8', 'flags 00*8')), NOTHING);
});

test('FALLOCATE is handed on with mode, offset and length', (t) => {
  const exchange = new Exchange();
  const request = hex(
    'fh 00*8',
    'offset 0010000000000000',
    'length 0000000001000000',
    'mode 03000000',
    'padding 00*4',
  );
  t.is(exchange.send(FALLOCATE, DISK, request), DEFERRED);
  t.deepEqual(exchange.disks.calls, ['allocate 7 mode=3 4096 4294967296']);
  t.deepEqual(exchange.finish(0), NOTHING);
  t.is(exchange.send(FALLOCATE, IO_MAX, request), -EOPNOTSUPP);
  t.is(exchange.send(FALLOCATE, ROOT, request), -EOPNOTSUPP);
});

test('LSEEK is handed on, and answered with the offset', (t) => {
  const exchange = new Exchange();
  const request = (offset: string) =>
    hex('fh 00*8', `offset ${offset}`, 'whence 04000000', 'padding 00*4');
  t.is(exchange.send(LSEEK, DISK, request('0010000000000000')), DEFERRED);
  t.is(exchange.send(LSEEK, DISK, request('ffffffffffffffff')), DEFERRED);
  t.deepEqual(exchange.disks.calls, ['seek 7 4096 4', 'seek 7 9007199254740991 4']);
  t.deepEqual(exchange.finish(8_589_934_592), hex('offset 0000000002000000'));
  t.is(exchange.send(LSEEK, IO_MAX, request('00*8')), -EOPNOTSUPP);
});

test('RELEASE of a disk is handed on, FLUSH is answered at once', (t) => {
  const exchange = new Exchange();
  t.deepEqual(exchange.send(RELEASE, DISK, hex('fh 00*8', 'flags 00*16')), NOTHING);
  t.deepEqual(exchange.send(FLUSH, DISK, hex('fh 00*8', 'rest 00*16')), NOTHING);
  t.deepEqual(exchange.disks.calls, ['close 7']);
});

test('WRITE of a control file is EACCES', (t) => {
  t.is(new Exchange().send(WRITE, IO_MAX, write('00*8', '01000000', '00')), -EACCES);
});
