import type { ReadableFile } from '../host/open-file.js';
import { formatSize, SIZE_MAX } from '../util/units.js';
import { u64, viewOf } from './fields.js';
import { malformed, unsupported } from './refusal.js';
import type { ByteOrder } from './slice-cache.js';

/** More entries than images of any size that is in use have; to map them all takes about a second. */
const ENTRIES_MAX = 1 << 26;
const BLOCK_BYTES_MAX = 1 << 30;
const L1_TABLE_MAX = 32 << 20;
/** A page: what most caches and devices transfer at least. */
const SLICE_BYTES = 4096;

/** Offset of a table that an image does not have: all its blocks are holes. */
export const NO_TABLE = 0;
/** Offset of a table that cannot be where the image says. */
export const BROKEN_TABLE = -1;

/** A table that has an entry for each block of an image. Plain data. Offsets and sizes are bytes. */
export interface BlockTable {
  /** Virtual size, a multiple of 512. */
  size: number;
  /** A multiple of 512. */
  blockBytes: number;
  entryBytes: 4 | 8;
  order: ByteOrder;
  /** Host offset of each part of the table, NO_TABLE or BROKEN_TABLE; most formats have one part. */
  tables: Float64Array;
  /** Entries of a part. Where there are several, a part is whole slices. */
  tableEntries: number;
  /** The piece in which a table is loaded. */
  sliceBytes: number;
  /**
   * After the entries of so many blocks comes one of something else, with a backing file also after the last
   * ones; Infinity: never.
   */
  groupBlocks: number;
  /** Size of the host file: blocks that begin behind it are lost. */
  hostBytes: number;
  /** A block that is not there is sought in a backing file; else it is a block of zeros. */
  hasBacking: boolean;
}

/** What a header tells of the only table of an image. */
export interface TableFields
  extends Pick<BlockTable, 'size' | 'blockBytes' | 'order' | 'hasBacking'>,
    Partial<Pick<BlockTable, 'entryBytes' | 'sliceBytes' | 'groupBlocks'>> {
  offset: number;
  entries: number;
}

/**
 * The table of an image that has it in one part, checked.
 *
 * @throws SluiceError exit code 3: EINVAL for a table that does not fit the image, ENOTSUP for one that
 *   is too large
 */
export function oneTable(file: ReadableFile, fields: TableFields): BlockTable {
  const { path } = file;
  const { offset, entries, ...more } = fields;
  const { size, blockBytes, groupBlocks = Number.POSITIVE_INFINITY, entryBytes = 4 } = fields;
  if (size > SIZE_MAX) throw malformed(path, 'its virtual size is above 2^53 bytes');
  if (blockBytes === 0 || blockBytes % 512 !== 0 || blockBytes > BLOCK_BYTES_MAX) {
    throw unsupported(path, `blocks of ${formatSize(blockBytes)} are not supported`);
  }
  const blocks = Math.ceil(size / blockBytes);
  if (blocks > ENTRIES_MAX) throw unsupported(path, `it has ${blocks} blocks; 2^26 are possible`);
  const needed = entriesOf(blocks, groupBlocks, fields.hasBacking);
  if (entries < needed) throw malformed(path, `its table of ${entries} blocks is too small`);
  if (offset === NO_TABLE || offset + needed * entryBytes > file.size) {
    throw malformed(path, 'its table of blocks does not lie in the file');
  }
  return {
    ...{ sliceBytes: SLICE_BYTES, entryBytes, groupBlocks },
    ...more,
    hostBytes: file.size,
    tables: Float64Array.of(offset),
    tableEntries: Math.max(1, needed),
  };
}

/** Entries of a table, those included that are not of blocks. */
function entriesOf(blocks: number, groupBlocks: number, hasBacking: boolean): number {
  if (blocks === 0 || groupBlocks === Number.POSITIVE_INFINITY) return blocks;
  const groups = Math.ceil(blocks / groupBlocks);
  return hasBacking ? groups * (groupBlocks + 1) : blocks + groups - 1;
}

/** What a header tells of the tables of an image that has a table of their places, the L1 table. */
export interface TablesFields
  extends Pick<BlockTable, 'size' | 'blockBytes' | 'tableEntries' | 'order'> {
  /** Of the L1 table. */
  offset: number;
  /** The places of tables are multiples of it. */
  alignment: number;
}

/**
 * The tables of an image, with entries of 64 bits like those of the L1 table. That is read as far as the size needs
 * it and the file has it, so a header that claims a large one takes no memory.
 *
 * @throws SluiceError exit code 3: EINVAL for an L1 table that is not there, ENOTSUP for one that is too large
 */
export function readTables(file: ReadableFile, fields: TablesFields): BlockTable {
  const { path } = file;
  const { offset, alignment, ...more } = fields;
  const { size, blockBytes, tableEntries, order } = fields;
  const needed = Math.ceil(size / (tableEntries * blockBytes));
  if (needed * 8 > L1_TABLE_MAX) throw unsupported(path, 'its L1 table is above 32 MiB');
  if (offset === NO_TABLE || (needed > 0 && offset >= file.size)) {
    throw malformed(path, 'its L1 table does not lie in the file');
  }
  const inFile = Math.floor(Math.max(0, file.size - offset) / 8);
  const entries = Math.min(needed, inFile);
  const view = viewOf(file.read(offset, entries * 8));
  const tables = new Float64Array(entries);
  for (let index = 0; index < entries; index++) {
    const place = u64(view, index * 8, order === 'little-endian');
    tables[index] = place % alignment === 0 && place <= SIZE_MAX ? place : BROKEN_TABLE;
  }
  return {
    ...more,
    tables,
    hostBytes: file.size,
    entryBytes: 8,
    sliceBytes: Math.min(SLICE_BYTES, tableEntries * 8),
    groupBlocks: Number.POSITIVE_INFINITY,
    hasBacking: true,
  };
}
