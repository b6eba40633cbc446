import test from 'ava';
import { BackingFiles } from '../../src/fuse/backing-files.js';
import {
  DISK,
  DISK_ATTRIBUTES,
  Exchange,
  GROUPS,
  hex,
  IO_MAX,
  nameBytes,
  ROOT,
} from './exchange.js';

const LOOKUP = 1;
const GETATTR = 3;
const OPEN = 14;
const ENOENT = 2;
const ENOTDIR = 20;

test('LOOKUP of a disk answers with its node, and its attributes, which GETATTR has to ask for again', (t) => {
  t.deepEqual(
    new Exchange().send(LOOKUP, ROOT, nameBytes('web.raw')),
    hex(
      'nodeid 0200000000000000',
      'generation 0000000000000000',
      'entry_valid 0100000000000000',
      'attr_valid 0000000000000000',
      'entry_valid_ns 00000000',
      'attr_valid_ns 00000000',
      ...DISK_ATTRIBUTES,
    ),
  );
});

test('LOOKUP of a directory says that it is one, with its links', (t) => {
  const entry = new Exchange().send(LOOKUP, ROOT, nameBytes('.groups')) as Uint8Array;
  t.is(entry.length, 128);
  t.deepEqual(entry.subarray(0, 8), hex('nodeid 0300000000000000'));
  t.deepEqual(entry.subarray(100, 108), hex('mode ed410000', 'nlink 02000000')); // 040755
});

test('LOOKUP of a control file tells the kernel not to keep its attributes', (t) => {
  const entry = new Exchange().send(LOOKUP, GROUPS, nameBytes('io.max')) as Uint8Array;
  t.deepEqual(entry.subarray(0, 8), hex('nodeid 0400000000000000'));
  t.deepEqual(entry.subarray(24, 32), hex('attr_valid 0000000000000000'));
  t.deepEqual(entry.subarray(100, 104), hex('mode 24810000')); // 0100444
});

for (const [parent, name, node] of [
  [GROUPS, '.', '03'],
  [GROUPS, '..', '01'],
  [ROOT, '.', '01'],
  [ROOT, '..', '01'],
] as const) {
  test(`LOOKUP of ${name} in node ${parent} is node ${node}`, (t) => {
    const entry = new Exchange().send(LOOKUP, parent, nameBytes(name)) as Uint8Array;
    t.deepEqual(entry.subarray(0, 8), hex(`nodeid ${node}00000000000000`));
  });
}

for (const name of [
  '',
  'web',
  'WEB.RAW',
  'web.raw ',
  'io.max',
  '__proto__',
  'ä',
  'x'.repeat(255),
]) {
  test(`LOOKUP of "${name.slice(0, 20)}", which is not there, is ENOENT`, (t) => {
    // Two bytes at least: the name and its NUL.
    const body = name === '' ? hex('name 00 00') : nameBytes(name);
    t.is(new Exchange().send(LOOKUP, ROOT, body), -ENOENT);
  });
}

test('a name of 255 bytes and one in UTF-8 are found', (t) => {
  const exchange = new Exchange();
  const long = exchange.tree.addDisk(exchange.tree.root, 'x'.repeat(255), 0);
  const wide = exchange.tree.addDisk(exchange.tree.root, 'Übung ☕.raw', 0);
  for (const [name, node] of [
    ['x'.repeat(255), long],
    ['Übung ☕.raw', wide],
  ] as const) {
    const entry = exchange.send(LOOKUP, ROOT, nameBytes(name)) as Uint8Array;
    t.is(entry[0], node.id);
  }
});

test('a name without its NUL ends with the request', (t) => {
  const exchange = new Exchange();
  const entry = exchange.send(LOOKUP, ROOT, nameBytes('web.raw').subarray(0, 7)) as Uint8Array;
  t.deepEqual(entry.subarray(0, 8), hex('nodeid 0200000000000000'));
  t.is(exchange.send(LOOKUP, ROOT, nameBytes('web.raw').subarray(0, 6)), -ENOENT);
});

for (const node of [DISK, IO_MAX]) {
  test(`LOOKUP in node ${node}, which is a file, is ENOTDIR`, (t) => {
    t.is(new Exchange().send(LOOKUP, node, nameBytes('web.raw')), -ENOTDIR);
  });
}

/** `web.raw`, disk 7, is passed through under the ID 9. */
function passed(): BackingFiles {
  const disks = Array.from({ length: 8 }, (_, index) => ({
    name: 'web',
    backing: index === 7 ? 5 : undefined,
  }));
  const backings = new BackingFiles(disks, 3, () => 9);
  backings.open({ flags2: 1 << 5 });
  return backings;
}

for (const pageCache of [false, true]) {
  test(`OPEN of a disk that is passed through names its file alone, page cache ${pageCache}`, (t) => {
    const exchange = new Exchange(pageCache, false, passed());
    const answer = exchange.send(OPEN, DISK, hex('flags 02000000', 'open_flags 00000000'));
    t.deepEqual(
      (answer as Uint8Array).subarray(8),
      hex('open_flags 80000000', 'backing_id 09000000'),
    );
  });
}

test('the kernel is not to keep the attributes of a disk that is passed through', (t) => {
  const attributes = new Exchange(false, false, passed()).send(GETATTR, DISK, new Uint8Array(16));
  t.deepEqual((attributes as Uint8Array).subarray(0, 8), hex('valid 0000000000000000'));
});
