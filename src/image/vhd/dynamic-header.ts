import type { ReadableFile } from '../../host/open-file.js';
import { type BlockTable, oneTable } from '../block-table.js';
import { u64, uuidAt, viewOf } from '../fields.js';
import { malformed, unsupported } from '../refusal.js';
import { checksumOf, type Footer } from './footer.js';
import { parentNames } from './parent-names.js';

// Virtual Hard Disk Image Format Specification 1.0, "Dynamic Disk Header Format".

export const DYNAMIC_HEADER_BYTES = 1024;

const COOKIE = 'cxsparse';
const TABLE_AT = 16;
const VERSION_AT = 24;
const ENTRIES_AT = 28;
const BLOCK_SIZE_AT = 32;
const CHECKSUM_AT = 36;
const PARENT_ID_AT = 40;

/** The piece of a table, and of a bitmap: that of a block of 2 MiB, the usual size, has as much. */
const SLICE_BYTES = 512;

/** The header of an image that is not fixed, decoded and checked. Offsets and sizes are bytes. */
export interface DynamicHeader {
  table: BlockTable;
  /** Bytes of the bitmap of sectors before each block. */
  bitmapBytes: number;
  /** Of a differencing image: the identity of its parent, and names that may lead there. */
  parent: { id: string; names: string[] } | null;
}

/**
 * @param size Virtual size, bytes, a multiple of 512.
 * @throws SluiceError exit code 3: EINVAL for a broken header, ENOTSUP for what we cannot read
 */
export function readDynamicHeader(
  file: ReadableFile,
  { headerOffset, type }: Footer,
  size: number,
): DynamicHeader {
  const { path, size: fileBytes } = file;
  if (headerOffset + DYNAMIC_HEADER_BYTES > fileBytes) {
    throw malformed(path, 'its header does not lie in the file');
  }
  const header = file.read(headerOffset, DYNAMIC_HEADER_BYTES);
  const view = viewOf(header);
  const isHeader = Buffer.from(header.subarray(0, 8)).toString('latin1') === COOKIE;
  if (!isHeader || view.getUint32(CHECKSUM_AT) !== checksumOf(header, CHECKSUM_AT)) {
    throw malformed(path, 'its header is missing, or the checksum of the header is wrong');
  }
  const version = view.getUint16(VERSION_AT);
  if (version !== 1) throw unsupported(path, `its header has version ${version}`);
  const blockBytes = view.getUint32(BLOCK_SIZE_AT);
  const table = oneTable(file, {
    size,
    blockBytes,
    order: 'big-endian',
    offset: u64(view, TABLE_AT, false),
    entries: view.getUint32(ENTRIES_AT),
    sliceBytes: SLICE_BYTES,
    hasBacking: type === 'differencing',
  });
  return {
    table,
    bitmapBytes: Math.ceil(blockBytes / 512 / 8 / 512) * 512,
    parent:
      type === 'differencing'
        ? { id: uuidAt(view, PARENT_ID_AT, false), names: parentNames(file, header) }
        : null,
  };
}
