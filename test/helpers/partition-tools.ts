import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readSync } from 'node:fs';
import type { Partition, PartitionTable, Reading } from '../../src/partitions/table.js';
import { sparseFile } from './temp.js';

// Tables are made and judged by the tools of util-linux.

/** A partition as `sfdisk --json` prints it, in sectors. */
interface ToldPartition {
  node: string;
  start: number;
  size: number;
  type: string;
  uuid?: string;
  name?: string;
  bootable?: boolean;
  attrs?: string;
}

interface ToldTable {
  label: 'dos' | 'gpt';
  id: string;
  sectorsize: number;
  partitions?: ToldPartition[];
}

/** Makes a file with the table that a script of sfdisk describes. */
export function makeTable(path: string, bytes: number, script: string): string {
  sparseFile(path, bytes);
  writeTable(path, script);
  return path;
}

/** Writes a table to a file or a device. */
export function writeTable(path: string, script: string): void {
  execFileSync('sfdisk', ['--no-reread', '--no-tell-kernel', path], {
    input: script,
    stdio: 'pipe',
  });
}

/**
 * The table in the terms of our own, as sfdisk tells it.
 * @param infix Between the path and the number of a partition.
 */
export function told(
  path: string,
  infix = '',
): Omit<PartitionTable, 'problems' | 'isHybrid' | 'isBackup'> {
  const text = execFileSync('sfdisk', ['--json', path], { encoding: 'utf8', stdio: 'pipe' });
  const { label, id, sectorsize, partitions = [] } = JSON.parse(text).partitiontable as ToldTable;
  return {
    scheme: label === 'gpt' ? 'gpt' : 'mbr',
    sectorSize: sectorsize,
    id,
    partitions: partitions.map((one): Partition => {
      return {
        number: Number(one.node.slice(path.length + infix.length)),
        start: one.start * sectorsize,
        size: one.size * sectorsize,
        type: one.type,
        name: one.name ?? '',
        uuid: one.uuid ?? '',
        bootable: one.bootable === true || one.attrs?.includes('LegacyBIOSBootable') === true,
        isExtended: label === 'dos' && ['5', 'f', '85'].includes(one.type),
      };
    }),
  };
}

/** Runs a reading on bytes. Throws if it reads behind their end. */
export function readFrom<T>(content: Uint8Array, reading: Reading<T>): T {
  return readWith(reading, (offset, length) => {
    if (offset + length > content.length) throw new Error('reads behind the end');
    return content.subarray(offset, offset + length);
  });
}

/** Runs a reading on a file, without its content in memory. */
export function readFile<T>(path: string, reading: Reading<T>): T {
  const file = openSync(path, 'r');
  try {
    return readWith(reading, (offset, length) => {
      const bytes = Buffer.alloc(length);
      if (readSync(file, bytes, 0, length, offset) < length)
        throw new Error('reads behind the end');
      return bytes;
    });
  } finally {
    closeSync(file);
  }
}

/** Reads that a table may take: its bound is for tables that are made to waste time. */
const READS_MAX = 300;

function readWith<T>(reading: Reading<T>, read: (offset: number, length: number) => Uint8Array): T {
  let step = reading.next();
  for (let reads = 0; !step.done; reads++) {
    if (reads > READS_MAX) throw new Error(`more than ${READS_MAX} reads`);
    const { offset, length } = step.value;
    if (!(offset >= 0 && length > 0 && length <= 256 << 10)) {
      throw new Error(`a read of ${length} bytes at ${offset}`);
    }
    step = reading.next(read(offset, length));
  }
  return step.value;
}
