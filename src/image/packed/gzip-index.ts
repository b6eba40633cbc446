import type { ReadableFile } from '../../host/open-file.js';
import { malformed } from '../refusal.js';
import { FrameList, type Frames, notSeekable } from './frames.js';

// Blocked gzip, as bgzip of htslib writes it (SAM/BAM Format Specification, section 4.1): members of gzip
// (RFC 1952) of up to 64 KiB, each of which tells its length in an extra field "BC".

const MAGIC = 0x1f8b08;
const FLAG_EXTRA = 1 << 2;
/** Of a member, up to its extra fields. */
const HEADER_BYTES = 12;
/** With the one extra field that bgzip writes. */
const USUAL_BYTES = 18;
/** At the end of a member: CRC and size. */
const SIZE_BYTES = 4;
const TRAILER_BYTES = 8;

/** Do the first bytes of a file look like gzip? */
export function isGzip(head: Uint8Array): boolean {
  return head.length >= 3 && Buffer.from(head).readUIntBE(0, 3) === MAGIC;
}

/** The frames of a file of blocked gzip, and whether it has the mark of its end: an empty block. */
export interface GzipIndex {
  readonly frames: Frames;
  readonly isWhole: boolean;
}

/**
 * Finds the blocks of a file, from each to the next. A read of a few bytes for each: 160,000 for 10 GiB, in
 * half a second where the file is in the page cache.
 *
 * @throws SluiceError exit code 3 for a file that is not blocked, or broken
 */
export function readGzipIndex(file: ReadableFile): GzipIndex {
  const { path, size } = file;
  const list = new FrameList(path);
  let isWhole = false;
  let header = file.read(0, USUAL_BYTES);
  for (let at = 0; at < size; ) {
    const length = blockBytes(file, at, Buffer.from(header));
    if (length === null) {
      if (at === 0) throw notSeekable(path, 'it is one stream of gzip', 'gzip');
      throw malformed(path, `it has no block at ${at}, where one should begin`);
    }
    const end = at + length;
    if (end > size) throw malformed(path, 'the file is cut off');
    const next = file.read(end - SIZE_BYTES, SIZE_BYTES + USUAL_BYTES);
    const unpacked = Buffer.from(next).readUInt32LE(0);
    list.add(length, unpacked);
    isWhole = unpacked === 0;
    header = next.subarray(SIZE_BYTES);
    at = end;
  }
  return { frames: list.frames(), isWhole };
}

/** Length of the block at an offset, bytes; null if there is none. */
function blockBytes(file: ReadableFile, at: number, header: Buffer): number | null {
  if (!isGzip(header) || (header[3]! & FLAG_EXTRA) === 0) return null;
  const extraBytes = header.readUInt16LE(10);
  const isUsual = extraBytes === USUAL_BYTES - HEADER_BYTES;
  const extra = isUsual
    ? header.subarray(HEADER_BYTES)
    : Buffer.from(file.read(at + HEADER_BYTES, extraBytes));
  for (let field = 0; field + 4 <= extra.length; ) {
    const bytes = extra.readUInt16LE(field + 2);
    if (extra.toString('latin1', field, field + 2) === 'BC' && bytes === 2) {
      const length = field + 6 <= extra.length ? extra.readUInt16LE(field + 4) + 1 : 0;
      return length >= HEADER_BYTES + extraBytes + TRAILER_BYTES ? length : null;
    }
    field += 4 + bytes;
  }
  return null;
}
