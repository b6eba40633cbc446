import test from 'ava';
import { DISK, Exchange, GROUPS, hex, IO_MAX, ROOT } from './exchange.js';

const READDIR = 28;
const RELEASEDIR = 29;
const FSYNCDIR = 30;
const ENOTDIR = 20;

const DOT = [
  'ino 0100000000000000',
  'off 0100000000000000',
  'namelen 01000000',
  'type 04000000',
  'name 2e 00*7',
];
const DOT_DOT = [
  'ino 0100000000000000',
  'off 0200000000000000',
  'namelen 02000000',
  'type 04000000',
  'name 2e2e 00*6',
];
const WEB = [
  'ino 0200000000000000',
  'off 0400000000000000',
  'namelen 07000000',
  'type 08000000',
  'name 7765622e726177 00',
];
const DOT_GROUPS = [
  'ino 0300000000000000',
  'off 0500000000000000',
  'namelen 07000000',
  'type 04000000',
  'name 2e67726f757073 00',
];

function readdir(offset: string, size: string): Uint8Array {
  return hex('fh 00*8', `offset ${offset}`, `size ${size}`, 'rest 00*20');
}

test('READDIR lists itself and its parent first, files and directories told apart', (t) => {
  t.deepEqual(
    new Exchange().send(READDIR, ROOT, readdir('0000000000000000', '00100000')),
    hex(...DOT, ...DOT_DOT, ...WEB, ...DOT_GROUPS),
  );
});

test('READDIR of a directory below names its parent', (t) => {
  const listing = new Exchange().send(READDIR, GROUPS, readdir('00*8', '00100000')) as Uint8Array;
  t.deepEqual(listing.subarray(0, 8), hex('self 0300000000000000'));
  t.deepEqual(listing.subarray(32, 40), hex('parent 0100000000000000'));
  t.deepEqual(listing.subarray(64, 72), hex('io.max 0400000000000000'));
});

for (const [offset, rest] of [
  ['0100000000000000', [...DOT_DOT, ...WEB, ...DOT_GROUPS]],
  ['0200000000000000', [...WEB, ...DOT_GROUPS]],
  ['0400000000000000', DOT_GROUPS],
  ['0500000000000000', []],
  ['0000000001000000', []],
  ['ffffffffffffffff', []],
] as const) {
  test(`READDIR behind the offset ${offset} gives the ${rest.length / 5} entries after it`, (t) => {
    const reply = new Exchange().send(READDIR, ROOT, readdir(offset, '00100000'));
    t.deepEqual(reply, hex(...rest));
  });
}

test('READDIR gives as many whole entries as fit', (t) => {
  const exchange = new Exchange();
  const listing = (size: string) => exchange.send(READDIR, ROOT, readdir('00*8', size));
  t.deepEqual(listing('80000000'), hex(...DOT, ...DOT_DOT, ...WEB, ...DOT_GROUPS)); // 128
  t.deepEqual(listing('7f000000'), hex(...DOT, ...DOT_DOT, ...WEB));
  t.deepEqual(listing('20000000'), hex(...DOT)); // 32
  t.deepEqual(listing('1f000000'), hex());
  t.deepEqual(listing('00000000'), hex());
});

test('page by page a directory of 300 entries gives each once and in order', (t) => {
  const exchange = new Exchange();
  const { root } = exchange.tree;
  for (let i = 0; i < 300; i++) exchange.tree.addDisk(root, `disk${i}.raw`, i);
  const names: string[] = [];
  let offset = 0n;
  for (;;) {
    const at = Buffer.alloc(8);
    at.writeBigUInt64LE(offset);
    const request = readdir(at.toString('hex'), '00020000'); // 512 bytes
    const page = Buffer.from(exchange.send(READDIR, ROOT, request) as Uint8Array);
    if (page.length === 0) break;
    for (let entry = 0; entry < page.length; ) {
      const length = page.readUInt32LE(entry + 16);
      names.push(page.toString('utf8', entry + 24, entry + 24 + length));
      offset = page.readBigUInt64LE(entry + 8);
      entry += (24 + length + 7) & ~7;
    }
    if (names.length === 100) exchange.tree.addDisk(root, 'late.raw', 0);
  }
  const disks = Array.from({ length: 300 }, (_, i) => `disk${i}.raw`);
  t.deepEqual(names.slice(0, 304), ['.', '..', 'web.raw', '.groups', ...disks]);
});

test('an entry with a name of 255 bytes is 280 bytes, padded with zeros', (t) => {
  const exchange = new Exchange();
  exchange.tree.addDisk(exchange.tree.root, 'x'.repeat(255), 0);
  const request = readdir('0500000000000000', '18010000');
  t.deepEqual(
    exchange.send(READDIR, ROOT, request),
    hex(
      'ino 0500000000000000',
      'off 0700000000000000',
      'namelen ff000000',
      'type 08000000',
      'name 78*255 00',
    ),
  );
  t.deepEqual(exchange.send(READDIR, ROOT, readdir('0500000000000000', '17010000')), hex());
});

test('READDIR of a file is ENOTDIR', (t) => {
  const exchange = new Exchange();
  t.is(exchange.send(READDIR, DISK, readdir('00*8', '00100000')), -ENOTDIR);
  t.is(exchange.send(READDIR, IO_MAX, readdir('00*8', '00100000')), -ENOTDIR);
});

test('RELEASEDIR and FSYNCDIR have nothing to do', (t) => {
  const exchange = new Exchange();
  t.deepEqual(exchange.send(RELEASEDIR, ROOT, hex('fh 00*8', 'rest 00*16')), new Uint8Array());
  t.deepEqual(exchange.send(FSYNCDIR, ROOT, hex('fh 00*8', 'rest 00*8')), new Uint8Array());
});
