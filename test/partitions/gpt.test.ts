import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { ExecutionContext } from 'ava';
import { readTable, sectorSizesFor } from '../../src/partitions/read-table.js';
import type { PartitionTable } from '../../src/partitions/table.js';
import { makeTable, readFrom } from '../helpers/partition-tools.js';
import { requires } from '../helpers/requires.js';
import { MIB, tempFolder } from '../helpers/temp.js';

const ANY = sectorSizesFor(null, null);
const sfdiskTest = requires('sfdisk');

const SECTOR = 512;
const SIZE = 4 * MIB;
/** The headers, and the entries of both. */
const FIRST = SECTOR;
const ENTRIES = 2 * SECTOR;
const BACKUP = SIZE - SECTOR;
const BACKUP_ENTRIES = SIZE - 33 * SECTOR;

/** A disk of 4 MiB with two partitions. */
function disk(t: ExecutionContext): Buffer {
  const script = 'label: gpt\nstart=2048,size=1024,name=one\nstart=3072,size=2048,name=two\n';
  return readFileSync(makeTable(join(tempFolder(t), 'disk.img'), SIZE, script));
}

function read(content: Uint8Array): PartitionTable {
  return readFrom(content, readTable(content.length, ANY))!;
}

/** Changes a byte, whatever it is: sfdisk makes a random GUID for each disk and partition. */
function flip(content: Buffer, at: number): void {
  content[at]! ^= 0xff;
}

/** Makes the checksum of the header at a place right again. */
function seal(content: Buffer, at: number): void {
  content.writeUInt32LE(0, at + 16);
  content.writeUInt32LE(crc32(content.subarray(at, at + 92)), at + 16);
}

/** Makes both checksums of a copy right again. */
function sealAll(content: Buffer, header: number, entries: number): void {
  content.writeUInt32LE(crc32(content.subarray(entries, entries + 128 * 128)), header + 88);
  seal(content, header);
}

const TWO = [
  [1, 1 * MIB, 512 << 10, 'one'],
  [2, 1.5 * MIB, 1 * MIB, 'two'],
];

function shown({ partitions }: PartitionTable): unknown[] {
  return partitions.map(({ number, start, size, name }) => [number, start, size, name]);
}

const DAMAGE: Readonly<Record<string, [change: (content: Buffer) => void, problem: string]>> = {
  'no signature': [(c) => c.write('EFI PARX', FIRST), 'there is no header'],
  'a byte of the header': [(c) => flip(c, FIRST + 60), 'the checksum of its header is wrong'],
  'a byte of an entry': [
    (c) => c.writeUInt8(1, ENTRIES + 128 * 90),
    'the checksum of its entries is wrong',
  ],
  'a header of 16 bytes': [(c) => c.writeUInt32LE(16, FIRST + 12), 'a header of 16 bytes'],
  'a header of 4 GiB': [
    (c) => c.writeUInt32LE(2 ** 32 - 1, FIRST + 12),
    'a header of 4294967295 bytes',
  ],
  'entries of 8 bytes': [
    (c) => {
      c.writeUInt32LE(8, FIRST + 84);
      seal(c, FIRST);
    },
    'entries of 8 bytes',
  ],
  'entries of 4 GiB': [
    (c) => {
      c.writeUInt32LE(2 ** 31, FIRST + 84);
      seal(c, FIRST);
    },
    'entries of 2147483648 bytes',
  ],
  'four billion entries': [
    (c) => {
      c.writeUInt32LE(2 ** 32 - 1, FIRST + 80);
      seal(c, FIRST);
    },
    '4294967295 entries of 128 bytes are more than any disk has',
  ],
  'entries behind the end': [
    (c) => {
      c.writeBigUInt64LE(2n ** 64n - 1n, FIRST + 72);
      seal(c, FIRST);
    },
    'its entries lie behind the end of the image',
  ],
  'the header of another sector': [
    (c) => {
      c.writeBigUInt64LE(5n, FIRST + 24);
      seal(c, FIRST);
    },
    'it was made for another place',
  ],
  'all of the first sectors but the MBR': [
    (c) => c.fill(0, FIRST, 34 * SECTOR),
    'there is no header',
  ],
};

for (const [what, [change, problem]] of Object.entries(DAMAGE)) {
  sfdiskTest(`the backup counts: ${what}`, (t) => {
    const content = disk(t);
    change(content);
    const table = read(content);
    t.deepEqual(shown(table), TWO);
    t.true(table.isBackup);
    t.deepEqual(table.problems, [`the first GPT: ${problem}`]);
  });
}

sfdiskTest('a damaged backup is told, and not needed', (t) => {
  const content = disk(t);
  content.fill(0, BACKUP);
  const table = read(content);
  t.deepEqual(shown(table), TWO);
  t.like(table, { isBackup: false, problems: ['the backup GPT: there is no header'] });
});

sfdiskTest('nothing is shown of a table without a sound copy', (t) => {
  const content = disk(t);
  flip(content, FIRST + 60);
  flip(content, BACKUP_ENTRIES);
  const table = read(content);
  t.deepEqual(table.partitions, []);
  t.deepEqual(table.problems, [
    'the first GPT: the checksum of its header is wrong',
    'the backup GPT: the checksum of its entries is wrong',
  ]);
});

sfdiskTest('of a GPT that is not there each copy is told of once', (t) => {
  const content = disk(t);
  content.fill(0, SECTOR);
  t.deepEqual(read(content).problems, [
    'the first GPT: there is no header',
    'the backup GPT: there is no header',
  ]);
});

sfdiskTest('where a disk has grown, the header knows the place of its backup', (t) => {
  const content = Buffer.concat([disk(t), Buffer.alloc(MIB)]);
  t.like(read(content), { isBackup: false, problems: [] });
  content.writeUInt8(1, ENTRIES + 128 * 90);
  const table = read(content);
  t.true(table.isBackup);
  t.deepEqual(shown(table), TWO);
});

sfdiskTest('of a disk that was cut the partitions are told as they are', (t) => {
  const table = read(disk(t).subarray(0, 2 * MIB));
  t.deepEqual(shown(table), TWO);
  t.deepEqual(table.problems, [
    'the backup GPT: it is behind the end of the image',
    'p2 ends behind the end of the image',
  ]);
});

sfdiskTest('without a protective MBR a GPT does not count', (t) => {
  const content = disk(t);
  content.fill(0, 0, SECTOR);
  const table = read(content);
  t.deepEqual(table.partitions, []);
  t.regex(table.problems.join(), /no protective MBR/);
});

/** First and last sector of the first entry. */
const PLACES: readonly [first: bigint, last: bigint, problem: string][] = [
  [2048n, 2047n, 'p1 has no sectors'],
  [2048n, 0n, 'p1 has no sectors'],
  [2n ** 64n - 1n, 0n, 'p1 has no sectors'],
  [0n, 2n ** 64n - 1n, 'p1 ends behind the end of the image'],
  [2048n, 2n ** 63n, 'p1 ends behind the end of the image'],
  [2n ** 63n, 2n ** 64n - 1n, 'p1 begins behind the end of the image'],
  [8192n, 8192n, 'p1 begins behind the end of the image'],
  [2560n, 3080n, 'p2 overlaps p1'],
];

for (const [first, last, problem] of PLACES) {
  sfdiskTest(`a partition from sector ${first} to ${last}: ${problem}`, (t) => {
    const content = disk(t);
    content.writeBigUInt64LE(first, ENTRIES + 32);
    content.writeBigUInt64LE(last, ENTRIES + 40);
    sealAll(content, FIRST, ENTRIES);
    const table = read(content);
    t.true(table.problems.includes(problem), table.problems.join('; '));
    t.is(table.partitions.length, 2);
  });
}

sfdiskTest('problems are told up to a number', (t) => {
  const content = disk(t);
  for (let entry = 0; entry < 128; entry++) {
    const at = ENTRIES + entry * 128;
    content.copy(content, at, ENTRIES, ENTRIES + 128);
    content.writeBigUInt64LE(9000n, at + 32);
  }
  sealAll(content, FIRST, ENTRIES);
  const { partitions, problems } = read(content);
  t.is(partitions.length, 128);
  t.is(problems.length, 9);
  t.is(problems.at(-1), '120 more problems');
});
