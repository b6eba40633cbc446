import { execFileSync } from 'node:child_process';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { tableJson, tableLines } from '../../src/cli/partition-report.js';
import { readTable, sectorSizesFor } from '../../src/partitions/read-table.js';
import { isShown, PARTITIONS_MAX } from '../../src/partitions/table.js';
import type { Random } from '../exerciser/random.js';
import { type Target, Violation } from './target.js';

const IMAGE_BYTES = 2 << 20;
/** More than any table takes: the bound of the work that a table can make. */
const READS_MAX = 300;
const PIECE_MAX = 256 << 10;

const SCRIPTS: readonly string[] = [
  'label: dos\nsize=64,type=83\ntype=5\nstart=2200,size=8\nstart=2300,size=8\nstart=2400,size=8\n',
  'label: gpt\nsize=64,name=one\n128: size=64,name=last\n',
  'label: gpt\ntable-length: 4\nsize=64\n',
];

/** Runs a reading on bytes, as a mount would. */
function read(input: Buffer, sectorSize: number | null): void {
  const reading = readTable(input.length, sectorSizesFor(sectorSize, null));
  let step = reading.next();
  for (let reads = 0; !step.done; reads++) {
    const { offset, length } = step.value;
    const isWithin = offset >= 0 && length > 0 && offset + length <= input.length;
    if (!isWithin || length > PIECE_MAX) throw new Violation(`a read of ${length} at ${offset}`);
    if (reads > READS_MAX) throw new Violation('a table that never ends');
    step = reading.next(input.subarray(offset, offset + length));
  }
  if (step.value === null) return;
  const { partitions, problems } = step.value;
  const shown = partitions.filter((one) => isShown(one, input.length));
  const numbers = new Set(shown.map(({ number }) => number));
  if (numbers.size !== shown.length) throw new Violation('two partitions of one number');
  if (shown.length > PARTITIONS_MAX || problems.length > 9) throw new Violation('no bound');
  for (const { number, start, size } of shown) {
    const isPlace = Number.isSafeInteger(start) && start >= 0 && size > 0;
    if (!isPlace) throw new Violation(`p${number}: ${size} bytes from ${start}`);
  }
  tableLines(step.value);
  JSON.stringify(tableJson(step.value));
}

/** Makes both checksums of the first GPT right again, so that what is behind them is reached. */
function seal(input: Buffer): Buffer {
  for (const header of [512, 4096]) {
    if (input.length < header + 92 || input.toString('latin1', header, header + 8) !== 'EFI PART') {
      continue;
    }
    const at = Number(input.readBigUInt64LE(header + 72) % 1_000_000n) * header;
    const bytes = (input.readUInt32LE(header + 80) * input.readUInt32LE(header + 84)) % (1 << 20);
    input.writeUInt32LE(crc32(input.subarray(at, at + bytes)), header + 88);
    input.writeUInt32LE(0, header + 16);
    input.writeUInt32LE(crc32(input.subarray(header, header + 92)), header + 16);
  }
  return input;
}

/** Places where tables have numbers: entries of an MBR and of its chain, header and entries of a GPT. */
function changeField(input: Buffer, random: Random): Buffer {
  const sectors = [0, 512, 1024, 1100 * 512, 2200 * 512, 2300 * 512];
  const base = sectors[random.below(sectors.length)]!;
  const at = Math.min(input.length - 8, base + random.below(512) - random.below(2) * 66);
  if (at < 0) return input;
  const edges = [0n, 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];
  if (random.oneIn(2)) input.writeBigUInt64LE(edges[random.below(edges.length)]!, at);
  else input.writeUInt32LE(random.below(8192), at);
  return random.oneIn(4) ? input : seal(input);
}

/** Partition tables, as a guest can write them. */
export const tables: Target = {
  name: 'tables',
  about: 'partition tables: MBR, logical partitions, GPT',
  batch: 64,
  each: Number.POSITIVE_INFINITY,
  short: 800,
  longest: IMAGE_BYTES,
  fixed: true,
  seeds: (folder) =>
    SCRIPTS.map((script, index) => {
      const path = join(folder, `table${index}.img`);
      writeFileSync(path, '');
      truncateSync(path, IMAGE_BYTES);
      execFileSync('sfdisk', ['-q', path], { input: script, stdio: ['pipe', 'ignore', 'pipe'] });
      return readFileSync(path);
    }),
  words: async () =>
    ['EFI PART', '\x55\xaa', '\x05', '\xee'].map((text) => Buffer.from(text, 'latin1')),
  mutate: changeField,
  prepare: () => (input) => {
    for (const sectorSize of [null, 512, 4096]) read(input, sectorSize);
  },
};
