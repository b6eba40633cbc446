import test from 'ava';
import { Exchange, hex, IO_MAX } from './exchange.js';

const OPEN = 14;
const READ = 15;
const RELEASE = 18;
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
    hex('fh 0100000000000000', 'open_flags 41000000', 'backing_id 00*4'),
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
  t.is(read(exchange, handle, 'ffffffffffffffff', 'ffffffff'), '');
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
