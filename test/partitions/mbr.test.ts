import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { readTable, sectorSizesFor } from '../../src/partitions/read-table.js';
import type { PartitionTable } from '../../src/partitions/table.js';
import { makeTable, readFrom } from '../helpers/partition-tools.js';
import { requires } from '../helpers/requires.js';
import { MIB, tempFolder } from '../helpers/temp.js';

const ANY = sectorSizesFor(null, null);
const sfdiskTest = requires('sfdisk');

const SECTOR = 512;
/** The first entry of a table: status, CHS, type, CHS, start, sectors. */
const ENTRY = 446;
/** Where the extended partition of `logical` begins. */
const EXTENDED = 4096 * SECTOR;

function read(content: Uint8Array): PartitionTable | null {
  return readFrom(content, readTable(content.length, ANY));
}

/** A disk of 8 MiB with p1, and p2 with p5, p6 and p7 in it. */
function logical(t: ExecutionContext): Buffer {
  const script =
    'label: dos\nstart=2048,size=2048,type=83\nstart=4096,size=8192,type=5\n' +
    'start=4608,size=1024\nstart=6144,size=1024\nstart=8192,size=1024\n';
  return readFileSync(makeTable(join(tempFolder(t), 'disk.img'), 8 * MIB, script));
}

function numbers(table: PartitionTable | null): number[] | undefined {
  return table?.partitions.map(({ number }) => number);
}

/** Writes the start and the length of an entry, in sectors. */
function place(content: Buffer, entry: number, start: number, sectors: number): void {
  content.writeUInt32LE(start, entry + 8);
  content.writeUInt32LE(sectors, entry + 12);
}

sfdiskTest('a signature alone is no table, nor is code in its place', (t) => {
  const content = Buffer.alloc(MIB);
  content.writeUInt16BE(0x55aa, 510);
  t.is(read(content), null);
  content.fill(0x41, ENTRY, 510);
  t.is(read(content), null);
  const table = logical(t);
  t.deepEqual(numbers(read(table)), [1, 2, 5, 6, 7]);
  table.writeUInt8(1, ENTRY + 3 * 16);
  t.is(read(table), null);
});

/** Where the links of the chain are: the second entry of each of its sectors. */
const SECOND = ENTRY + 16;

const CHAINS: Readonly<
  Record<string, [change: (content: Buffer) => void, numbers: number[], problem: string]>
> = {
  'a loop to its beginning': [
    (c) => place(c, EXTENDED + SECOND, 0, 8),
    [1, 2, 5],
    'the chain of logical partitions in p2 is a loop',
  ],
  'a link behind the end': [
    (c) => place(c, EXTENDED + SECOND, 2 ** 32 - 1, 8),
    [1, 2, 5],
    'the chain of logical partitions in p2 goes on behind the end of the image',
  ],
  'a sector without signature': [
    (c) => c.writeUInt16LE(0, EXTENDED + 510),
    [1, 2],
    `the chain of logical partitions in p2 is broken at byte ${EXTENDED}`,
  ],
  'a partition outside of the extended one': [
    (c) => place(c, EXTENDED + ENTRY, 12000, 1),
    [1, 2, 5, 6, 7],
    'p5 is outside of p2',
  ],
  'an extended partition behind the end': [
    (c) => place(c, SECOND, 2 ** 32 - 1, 2 ** 32 - 1),
    [1, 2],
    'the chain of logical partitions in p2 goes on behind the end of the image',
  ],
};

for (const [what, [change, expected, problem]] of Object.entries(CHAINS)) {
  sfdiskTest(`logical partitions: ${what}`, (t) => {
    const content = logical(t);
    change(content);
    const table = read(content);
    t.deepEqual(numbers(table), expected);
    t.true(table!.problems.includes(problem), table!.problems.join('; '));
  });
}

sfdiskTest('a chain that goes through every sector of the disk ends', (t) => {
  const content = logical(t);
  for (let sector = 4096; sector < 12288; sector++) {
    const at = sector * SECTOR;
    content.fill(0, at, at + SECTOR);
    content.writeUInt8(0x83, at + ENTRY + 4);
    place(content, at + ENTRY, 1, 1);
    content.writeUInt8(5, at + SECOND + 4);
    place(content, at + SECOND, sector + 1 - 4096, 1);
    content.writeUInt16LE(0xaa55, at + 510);
  }
  const table = read(content)!;
  t.is(table.partitions.at(-1)!.number, 256);
  t.regex(table.problems.join(), /is longer than the 252 that are followed/);
});

sfdiskTest('a chain of sectors without partitions ends', (t) => {
  const content = logical(t);
  for (let sector = 4096; sector < 12288; sector++) {
    const at = sector * SECTOR;
    content.fill(0, at, at + SECTOR);
    content.writeUInt8(5, at + SECOND + 4);
    place(content, at + SECOND, sector + 1 - 4096, 1);
    content.writeUInt16LE(0xaa55, at + 510);
  }
  t.deepEqual(numbers(read(content)), [1, 2]);
});

/** Start and length of the first entry, in sectors. */
const PLACES: readonly [start: number, sectors: number, problem: string][] = [
  [2048, 0, 'p1 has no sectors'],
  [2048, 2 ** 32 - 1, 'p1 ends behind the end of the image'],
  [2 ** 32 - 1, 1, 'p1 begins behind the end of the image'],
  [2048, 2049, 'p2 overlaps p1'],
  [2048, 3000, 'p5 overlaps p1'],
];

for (const [start, sectors, problem] of PLACES) {
  sfdiskTest(`${sectors} sectors from ${start}: ${problem}`, (t) => {
    const content = logical(t);
    place(content, ENTRY, start, sectors);
    const { problems, partitions } = read(content)!;
    t.true(problems.includes(problem), problems.join('; '));
    t.like(partitions[0], { number: 1, start: start * SECTOR, size: sectors * SECTOR });
  });
}

sfdiskTest('the partition of a hybrid ISO image begins at its first byte', (t) => {
  const content = logical(t);
  content.fill(0, ENTRY, 510);
  content.writeUInt8(0x17, ENTRY + 4);
  place(content, ENTRY, 0, 16384);
  const table = read(content);
  t.like(table, { problems: [], partitions: [{ number: 1, start: 0, size: 8 * MIB, type: '17' }] });
});

sfdiskTest('a second extended partition does not count', (t) => {
  const content = logical(t);
  content.copy(content, ENTRY + 2 * 16, SECOND, SECOND + 16);
  const table = read(content);
  t.deepEqual(numbers(table), [1, 2, 3, 5, 6, 7]);
  t.true(table!.problems.includes('p3 is a second extended partition, which does not count'));
});
