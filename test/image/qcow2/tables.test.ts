import test from 'ava';
import type { ReadableFile } from '../../../src/host/open-file.js';
import type { QcowLayout } from '../../../src/image/qcow2/layout.js';
import type { Snapshot } from '../../../src/image/qcow2/snapshots.js';
import {
  L1_BROKEN,
  metadataRegions,
  readL1,
  readRefcountTable,
  readWholeL1,
} from '../../../src/image/qcow2/tables.js';

/** A disk of 40000 bytes in clusters of 512: two L2 tables. The L1 table has room for one more. */
const LAYOUT = {
  clusterBytes: 512,
  size: 40_000,
  l1Offset: 1536,
  l1Entries: 3,
  refcountTableOffset: 512,
  refcountTableClusters: 1,
  snapshotsOffset: 2560,
} as QcowLayout;

/** A file of 4096 bytes that is called `vm` and has these 64-bit numbers. */
function fileOf(numbers: Readonly<Record<number, bigint>>): ReadableFile {
  const bytes = Buffer.alloc(4096);
  for (const [at, number] of Object.entries(numbers)) bytes.writeBigUInt64BE(number, Number(at));
  const read = (offset: number, length: number): Uint8Array =>
    Uint8Array.from({ length }, (_, i) => bytes[offset + i] ?? 0);
  return { path: 'vm', size: bytes.length, read };
}

const COPIED = 1n << 63n;

test('a table for reading marks entries that are no clusters, and ends with the disk', (t) => {
  const file = fileOf({ 1536: COPIED | 2048n, 1544: 2050n, 1552: 3072n });
  // Bits 0 to 8 are reserved: 2050 is the cluster at 2048.
  t.deepEqual([...readL1(file, LAYOUT)], [2048, 2048]);
  t.deepEqual([...readL1(fileOf({ 1536: 1n << 55n }), LAYOUT)], [L1_BROKEN, 0]);
});

test('a table for writing is whole, and refused where an entry is no cluster of the file', (t) => {
  const file = fileOf({ 1536: COPIED | 2048n, 1552: 3072n });
  const { offsets, copied } = readWholeL1(file, LAYOUT, LAYOUT);
  t.deepEqual([...offsets], [2048, 0, 3072]);
  t.deepEqual([...copied], [1, 0, 0]);
  const message = 'vm: L1 entry 1 is broken';
  t.throws(() => readWholeL1(fileOf({ 1544: 4096n }), LAYOUT, LAYOUT), { message });
});

test('a table of refcounts is refused where a block is no cluster of the file', (t) => {
  t.deepEqual(
    readRefcountTable(fileOf({ 520: 1024n }), LAYOUT).slice(0, 3),
    Float64Array.of(0, 1024, 0),
  );
  const message = 'vm: refcount table entry 63 is broken';
  t.throws(() => readRefcountTable(fileOf({ 1016: 8192n }), LAYOUT), { message });
});

test('metadata is the header, the refcounts, every L1 table and the list of snapshots', (t) => {
  const snapshot = { l1Offset: 3072, l1Entries: 2, entryBytes: 80 } as Snapshot;
  t.deepEqual(metadataRegions(LAYOUT, [snapshot], Float64Array.of(1024, 0)), [
    { offset: 0, bytes: 512 },
    { offset: 512, bytes: 512 },
    { offset: 1024, bytes: 512 },
    { offset: 1536, bytes: 24 },
    { offset: 3072, bytes: 16 },
    { offset: 2560, bytes: 80 },
  ]);
});
