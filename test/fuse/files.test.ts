import test from 'ava';
import { DISK, Exchange, GROUPS, hex, IO_MAX, nameBytes, ROOT } from './exchange.js';

const LOOKUP = 1;
const MKDIR = 9;
const RMDIR = 11;
const OPEN = 14;
const READ = 15;
const WRITE = 16;
const RELEASE = 18;
const EPERM = 1;
const EIO = 5;
const EBUSY = 16;
const ENOTDIR = 20;
const EINVAL = 22;
const EACCES = 13;

/** Opens `io.max` and returns the handle's bytes. */
function open(exchange: Exchange): string {
  const reply = exchange.send(OPEN, IO_MAX, hex('flags 00000000', 'open_flags 00*4')) as Uint8Array;
  return Buffer.from(reply.subarray(0, 8)).toString('hex');
}

function read(exchange: Exchange, handle: string, offset: string, size: string): string {
  const request = hex(`fh ${handle}`, `offset ${offset}`, `size ${size}`, 'rest 00*20');
  return new TextDecoder().decode(exchange.send(READ, IO_MAX, request) as Uint8Array);
}

test('OPEN of a control file gives a handle and keeps the kernel’s cache out', (t) => {
  t.deepEqual(
    new Exchange(true).send(OPEN, IO_MAX, hex('flags 00000000', 'open_flags 00*4')),
    hex('fh 0000000000001000', 'open_flags 41000000', 'backing_id 00*4'),
  );
});

for (const [what, flags] of [
  ['O_WRONLY', '01000000'],
  ['O_RDWR', '02000000'],
] as const) {
  test(`OPEN of a read-only control file with ${what} is EACCES`, (t) => {
    t.is(new Exchange().send(OPEN, IO_MAX, hex(`flags ${flags}`, 'open_flags 00*4')), -EACCES);
  });
}

test('what is read is what the file said when it was opened', (t) => {
  const exchange = new Exchange();
  exchange.content = 'first\n';
  const one = open(exchange);
  exchange.content = 'second\n';
  const two = open(exchange);
  exchange.content = 'third\n';
  t.is(read(exchange, one, '0000000000000000', '00100000'), 'first\n');
  t.is(read(exchange, two, '0000000000000000', '00100000'), 'second\n');
  t.is(read(exchange, one, '0000000000000000', '00100000'), 'first\n');
});

test('a control file is read in parts, and ends', (t) => {
  const exchange = new Exchange();
  exchange.content = '0123456789';
  const handle = open(exchange);
  t.is(read(exchange, handle, '0000000000000000', '04000000'), '0123');
  t.is(read(exchange, handle, '0400000000000000', '04000000'), '4567');
  t.is(read(exchange, handle, '0800000000000000', '04000000'), '89');
  t.is(read(exchange, handle, '0a00000000000000', '04000000'), '');
  t.is(read(exchange, handle, '0300000000000000', '00000000'), '');
});

test('offsets far behind the end, or negative, read nothing', (t) => {
  const exchange = new Exchange();
  const handle = open(exchange);
  t.is(read(exchange, handle, '0000000001000000', '00100000'), '');
  t.is(read(exchange, handle, 'ffffffffffffffff', '00001000'), '');
});

test('content is UTF-8, counted in bytes', (t) => {
  const exchange = new Exchange();
  exchange.content = 'ü☕\n';
  const handle = open(exchange);
  t.is(read(exchange, handle, '0200000000000000', '03000000'), '☕');
});

test('after RELEASE the handle reads nothing, and others are as they were', (t) => {
  const exchange = new Exchange();
  exchange.content = 'text\n';
  const one = open(exchange);
  const two = open(exchange);
  t.deepEqual(exchange.send(RELEASE, IO_MAX, hex(`fh ${one}`, 'rest 00*16')), new Uint8Array());
  t.is(read(exchange, one, '0000000000000000', '00100000'), '');
  t.is(read(exchange, two, '0000000000000000', '00100000'), 'text\n');
});

test('a handle that was never given out reads nothing', (t) => {
  t.is(read(new Exchange(), '2a00000000000000', '0000000000000000', '00100000'), '');
});

/** A WRITE of `text` at `offset` through a handle. */
function write(exchange: Exchange, handle: string, text: string, offset = '0000000000000000') {
  const bytes = new TextEncoder().encode(text);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(bytes.length);
  const head = hex(
    `fh ${handle}`,
    `offset ${offset}`,
    `size ${size.toString('hex')}`,
    'rest 00*20',
  );
  return exchange.send(WRITE, IO_MAX, Uint8Array.from([...head, ...bytes]));
}

test('a WRITE is one change, wherever in the file it goes', (t) => {
  const exchange = new Exchange(false, true);
  const handle = open(exchange);
  t.deepEqual(write(exchange, handle, 'bps=1M\n'), hex('size 07000000', 'padding 00*4'));
  t.deepEqual(write(exchange, handle, 'max\n', '0700000000000000'), hex('size 04000000 00*4'));
  t.deepEqual(exchange.written, ['bps=1M\n', 'max\n']);
});

test('a refused WRITE is the errno of the file, and what was open reads as before', (t) => {
  const exchange = new Exchange(false, true);
  exchange.content = 'old\n';
  const handle = open(exchange);
  exchange.writeAnswer = -EINVAL;
  exchange.content = 'new\n';
  t.is(write(exchange, handle, 'x'), -EINVAL);
  t.is(read(exchange, handle, '0000000000000000', '00100000'), 'old\n');
});

test('who wrote through a handle reads through it what the file says after that', (t) => {
  const exchange = new Exchange(false, true);
  exchange.content = 'old\n';
  const handle = open(exchange);
  const other = open(exchange);
  exchange.content = 'new\n';
  write(exchange, handle, 'x');
  t.is(read(exchange, handle, '0000000000000000', '00100000'), 'new\n');
  t.is(read(exchange, other, '0000000000000000', '00100000'), 'old\n');
});

test('a WRITE that says more bytes than it has is EIO', (t) => {
  const exchange = new Exchange(false, true);
  const head = hex('fh 0100000000000000', 'offset 00*8', 'size 05000000', 'rest 00*20');
  t.is(exchange.send(WRITE, IO_MAX, Uint8Array.from([...head, 1, 2, 3, 4])), -EIO);
  t.deepEqual(exchange.written, []);
});

test('MKDIR makes a group whose attributes the kernel may not keep, and RMDIR takes it away', (t) => {
  const exchange = new Exchange(false, true);
  const made = exchange.send(
    MKDIR,
    GROUPS,
    Uint8Array.from([...hex('mode ed010000', 'umask 12000000'), ...nameBytes('gold')]),
  ) as Uint8Array;
  t.is(made.length, 128);
  t.deepEqual(made.subarray(0, 8), hex('nodeid 0500000000000000'));
  t.deepEqual(made.subarray(16, 32), hex('entry_valid 0100000000000000', 'attr_valid 00*8'));
  t.deepEqual(made.subarray(100, 104), hex('mode ed410000'));
  t.is((exchange.send(LOOKUP, GROUPS, nameBytes('gold')) as Uint8Array)[0], 5);
  t.deepEqual(exchange.send(RMDIR, GROUPS, nameBytes('gold')), new Uint8Array());
  t.is(exchange.send(LOOKUP, GROUPS, nameBytes('gold')), -2);
});

test('what the groups refuse is the errno of MKDIR and RMDIR', (t) => {
  const exchange = new Exchange(false, true);
  const head = hex('mode ed010000', 'umask 12000000');
  t.is(exchange.send(MKDIR, GROUPS, Uint8Array.from([...head, ...nameBytes('no')])), -EBUSY);
  t.is(exchange.send(RMDIR, GROUPS, nameBytes('no')), -EBUSY);
});

test('MKDIR and RMDIR outside of the groups are EPERM, in a file ENOTDIR', (t) => {
  const exchange = new Exchange(false, true);
  const head = hex('mode ed010000', 'umask 12000000');
  const name = Uint8Array.from([...head, ...nameBytes('gold')]);
  t.is(exchange.send(MKDIR, ROOT, name), -EPERM);
  t.is(exchange.send(RMDIR, ROOT, nameBytes('.groups')), -EPERM);
  t.is(exchange.send(MKDIR, DISK, name), -ENOTDIR);
  t.is(exchange.send(RMDIR, DISK, nameBytes('gold')), -ENOTDIR);
});
