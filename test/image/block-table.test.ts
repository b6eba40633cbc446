import test from 'ava';
import {
  BROKEN_TABLE,
  oneTable,
  readTables,
  type TableFields,
  type TablesFields,
} from '../../src/image/block-table.js';
import { SluiceError } from '../../src/util/errors.js';

const FILE = { path: '/image', size: 10_000, read: () => new Uint8Array() };
const FIELDS: TableFields = {
  ...{ size: 1000 * 512, blockBytes: 512, order: 'big-endian', hasBacking: false },
  ...{ offset: 1000, entries: 1000 },
};

function refusal(fields: Partial<TableFields>): string {
  try {
    oneTable(FILE, { ...FIELDS, ...fields });
    return 'taken';
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    return `${error.exitCode} ${error.message.slice('/image: '.length)}`;
  }
}

test('a table has the entries that the size needs, and no more', (t) => {
  const table = oneTable(FILE, { ...FIELDS, size: 999 * 512, entries: 0xffffffff });
  t.like(table, { tableEntries: 999, entryBytes: 4, sliceBytes: 4096, groupBlocks: Infinity });
  t.deepEqual([...table.tables], [1000]);
  t.is(oneTable(FILE, { ...FIELDS, size: 0, entries: 0 }).tableEntries, 1);
});

test('entries of something else are counted where they stand before a block', (t) => {
  const needed = (blocks: number) => {
    return oneTable(FILE, { ...FIELDS, size: blocks * 512, groupBlocks: 10 }).tableEntries;
  };
  t.deepEqual([1, 10, 11, 20, 21].map(needed), [1, 10, 12, 21, 23]);
});

test('a table that does not fit is refused', (t) => {
  t.is(refusal({ offset: 6000 }), 'taken');
  t.is(refusal({ offset: 6001 }), '3 its table of blocks does not lie in the file');
  t.is(refusal({ entryBytes: 8, offset: 2001 }), '3 its table of blocks does not lie in the file');
  t.is(refusal({ offset: 2 ** 63 }), '3 its table of blocks does not lie in the file');
  t.is(refusal({ offset: 0 }), '3 its table of blocks does not lie in the file');
  t.is(refusal({ entries: 999 }), '3 its table of 999 blocks is too small');
  t.is(refusal({ size: 2 ** 63 }), '3 its virtual size is above 2^53 bytes');
  for (const [blockBytes, told] of [
    [0, '0 B'],
    [513, '513 B'],
    [2 ** 31, '2 GiB'],
  ] as const) {
    t.is(refusal({ blockBytes }), `3 blocks of ${told} are not supported`);
  }
  t.is(refusal({ size: 2 ** 40 }), '3 it has 2147483648 blocks; 2^26 are possible');
});

/** A file of 20 bytes before an L1 table with these entries. */
function withL1(...entries: bigint[]) {
  const bytes = Buffer.alloc(20 + entries.length * 8);
  for (const [index, entry] of entries.entries()) bytes.writeBigUInt64BE(entry, 20 + index * 8);
  const read = (offset: number, length: number) => {
    const part = Buffer.alloc(length);
    bytes.subarray(offset, offset + length).copy(part);
    return part;
  };
  return { path: '/image', size: bytes.length, read };
}

const TABLES: TablesFields = {
  ...{ size: 4 * 64 * 512, blockBytes: 512, tableEntries: 64, order: 'big-endian' },
  ...{ offset: 20, alignment: 512 },
};

test('tables that an L1 table lists, as far as the size needs them and the file has them', (t) => {
  const all = withL1(1024n, 0n, 1025n, 2n ** 60n, 4096n);
  const { tables, sliceBytes } = readTables(all, TABLES);
  t.deepEqual([...tables], [1024, 0, BROKEN_TABLE, BROKEN_TABLE]);
  t.is(sliceBytes, 512);
  t.deepEqual([...readTables(withL1(1024n), { ...TABLES, size: 2 ** 30 }).tables], [1024]);
  // An empty disk needs none, wherever the header says that the L1 table is.
  t.is(readTables(all, { ...TABLES, size: 0, offset: 2 ** 60 }).tables.length, 0);
});

test('an L1 table that is not there or too large is refused', (t) => {
  const told = (fields: Partial<TablesFields>) => {
    return t.throws(() => readTables(withL1(0n), { ...TABLES, ...fields }))?.message;
  };
  t.is(told({ offset: 0 }), '/image: its L1 table does not lie in the file');
  t.is(told({ offset: 28 }), '/image: its L1 table does not lie in the file');
  t.is(told({ size: 2 ** 50 }), '/image: its L1 table is above 32 MiB');
});
