import type { ReadableFile } from '../../host/open-file.js';
import { malformed } from '../refusal.js';
import { FRAMES_MAX, FrameList, type Frames, notSeekable } from './frames.js';

// The seekable format of Zstandard: frames, and at the end of the file a frame to be skipped with their
// sizes (contrib/seekable_format/zstd_seekable_compression_format.md in its sources).

const FRAME_MAGIC = 0xfd2fb528;
/** The low four bits may be any. */
const SKIPPABLE_MAGIC = 0x184d2a50;
const TABLE_MAGIC = 0x184d2a5e;
const SEEKABLE_MAGIC = 0x8f92eab1;
/** At the end of the file: number of frames, descriptor, magic. */
const FOOTER_BYTES = 9;
/** Before the table: magic, and its length. */
const TABLE_HEADER_BYTES = 8;
const HAS_CHECKSUMS = 1 << 7;
const RESERVED = 0x7c;

/** Do the first bytes of a file look like Zstandard? */
export function isZstd(head: Uint8Array): boolean {
  if (head.length < 4) return false;
  const magic = Buffer.from(head).readUInt32LE(0);
  return magic === FRAME_MAGIC || (magic & ~15) >>> 0 === SKIPPABLE_MAGIC;
}

/**
 * Reads the sizes of the frames.
 *
 * @throws SluiceError exit code 3 for a file without such a table, or a broken one
 */
export function readZstdIndex(file: ReadableFile): Frames {
  const { path, size } = file;
  const hasFooter = size >= FOOTER_BYTES + TABLE_HEADER_BYTES;
  const footer = Buffer.from(file.read(Math.max(0, size - FOOTER_BYTES), FOOTER_BYTES));
  if (!hasFooter || footer.readUInt32LE(5) !== SEEKABLE_MAGIC) {
    throw notSeekable(path, 'it is Zstandard without a seek table', 'zstd');
  }
  const count = footer.readUInt32LE(0);
  const descriptor = footer[4]!;
  const entryBytes = (descriptor & HAS_CHECKSUMS) !== 0 ? 12 : 8;
  const tableBytes = TABLE_HEADER_BYTES + count * entryBytes + FOOTER_BYTES;
  const from = size - tableBytes;
  if (count > FRAMES_MAX || from < 0 || (descriptor & RESERVED) !== 0) throw broken(path);
  const table = Buffer.from(file.read(from, tableBytes));
  const isTable =
    table.readUInt32LE(0) === TABLE_MAGIC &&
    table.readUInt32LE(4) === tableBytes - TABLE_HEADER_BYTES;
  if (!isTable) throw broken(path);
  const list = new FrameList(path);
  let packed = 0;
  for (let frame = 0; frame < count; frame++) {
    const at = TABLE_HEADER_BYTES + frame * entryBytes;
    const bytes = table.readUInt32LE(at);
    list.add(bytes, table.readUInt32LE(at + 4));
    packed += bytes;
  }
  if (packed !== from) throw broken(path);
  return list.frames();
}

function broken(path: string): Error {
  return malformed(path, 'its seek table does not fit the file, which may be cut off');
}
