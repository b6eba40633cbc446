import { crc32 } from 'node:zlib';
import type { ReadableFile } from '../../host/open-file.js';
import { malformed, unsupported } from '../refusal.js';
import { CHECK_BYTES, readMultibyte } from '../xz-block.js';
import { FRAMES_MAX, FrameList, type Frames, notSeekable } from './frames.js';

// The .xz file format 1.2.1 (tukaani.org): streams of blocks, each with an index of its blocks at its end.
// A block is a frame; what lies between blocks is in frames without bytes of the image.

const MAGIC = Buffer.from('\xfd7zXZ\0', 'latin1');
const FOOTER_MAGIC = 0x5a59;
/** Of a stream: header, and footer. */
const END_BYTES = 12;
/** An index of no blocks. */
const INDEX_BYTES_MIN = 8;
/** Of a block in an index, at most: two numbers. */
const RECORD_BYTES_MAX = 18;
const BLOCK_HEADER_BYTES_MAX = 1024;
/** A stream takes three reads to be found. Files that several were put together to have a few. */
const STREAMS_MAX = 1 << 16;
/** The size of a stream's padding that is read at once. */
const PADDING_BYTES = 64 << 10;
/** The filter that packs. Those that come before it turn jumps of programs into absolute ones. */
const LZMA2 = 0x21;

/** What makes a file that can be mounted. */
const PACKER = ['xz -T0 --block-size=1MiB', 'blocks.xz'] as const;

/** A stream of a file. */
interface Stream {
  /** First byte, and the byte behind its footer and the padding that follows. */
  start: number;
  end: number;
  /** Unpadded sizes of its blocks, and their sizes in the image, in turn. */
  records: number[];
}

/** Do the first bytes of a file look like xz? */
export function isXz(head: Uint8Array): boolean {
  return Buffer.from(head.subarray(0, MAGIC.length)).equals(MAGIC);
}

/**
 * Finds the blocks of all streams, from the end of the file.
 *
 * @throws SluiceError exit code 3 for a file of one large block, or a broken one
 */
export function readXzIndex(file: ReadableFile): Frames {
  const { path } = file;
  const streams: Stream[] = [];
  let blocks = 0;
  for (let end = file.size; end > 0; ) {
    const stream = readStream(file, end);
    streams.push(stream);
    blocks += stream.records.length / 2;
    if (streams.length > STREAMS_MAX) {
      throw unsupported(path, `it has more than ${STREAMS_MAX} streams`);
    }
    if (blocks > FRAMES_MAX) throw unsupported(path, `it has more than ${FRAMES_MAX} blocks`);
    end = stream.start;
  }
  const list = new FrameList(path, tooLong(path, blocks));
  for (const { start, end, records } of streams.toReversed()) {
    list.skip(END_BYTES);
    let at = start + END_BYTES;
    for (let record = 0; record < records.length; record += 2) {
      const bytes = roundUp(records[record]!);
      list.add(bytes, records[record + 1]!);
      at += bytes;
    }
    list.skip(end - at);
  }
  return list.frames();
}

/** The error for blocks that are too long to be unpacked for a few bytes of each. */
function tooLong(path: string, blocks: number): Error {
  const what = blocks === 1 ? 'it is one block of xz' : 'it has blocks of xz of more than 4 MiB';
  return notSeekable(path, what, 'xz', PACKER);
}

/** @param end The byte behind the stream and its padding. */
function readStream(file: ReadableFile, end: number): Stream {
  const { path } = file;
  const behind = endOfFooter(file, end);
  const footerAt = behind - END_BYTES;
  const footer = Buffer.from(footerAt < 0 ? [] : file.read(footerAt, END_BYTES));
  const isFooter =
    footer.length === END_BYTES &&
    footer.readUInt16LE(10) === FOOTER_MAGIC &&
    footer.readUInt32LE(0) === crc32(footer.subarray(4, 10));
  if (!isFooter)
    throw malformed(path, 'it has no end of xz where one should be; it may be cut off');
  const flags = footer.subarray(8, 10);
  const check = flags[1]!;
  if (flags[0] !== 0 || CHECK_BYTES[check] === undefined) {
    throw unsupported(path, `its blocks have checks of type ${check}`);
  }
  const indexBytes = (footer.readUInt32LE(4) + 1) * 4;
  const indexAt = footerAt - indexBytes;
  if (indexBytes < INDEX_BYTES_MIN || indexAt < END_BYTES) throw broken(path);
  if (indexBytes > FRAMES_MAX * RECORD_BYTES_MAX) {
    throw unsupported(path, `it has more than ${FRAMES_MAX} blocks`);
  }
  const records = readRecords(path, Buffer.from(file.read(indexAt, indexBytes)));
  let start = indexAt - END_BYTES;
  for (let record = 0; record < records.length; record += 2) start -= roundUp(records[record]!);
  if (start < 0) throw broken(path);
  const header = Buffer.from(file.read(start, END_BYTES));
  const isHeader =
    isXz(header) &&
    header.subarray(6, 8).equals(flags) &&
    header.readUInt32LE(8) === crc32(header.subarray(6, 8));
  if (!isHeader) throw broken(path);
  if (records.length > 0) checkFilters(file, start + END_BYTES);
  return { start, end, records };
}

/** Behind a stream there may be words of zeros. */
function endOfFooter(file: ReadableFile, end: number): number {
  for (let at = end; at >= 4; ) {
    const from = Math.max(0, at - PADDING_BYTES);
    const bytes = Buffer.from(file.read(from, at - from));
    for (let last = bytes.length; last >= 4; last -= 4) {
      if (bytes.readUInt32LE(last - 4) !== 0) return from + last;
    }
    at = from;
  }
  return 0;
}

/** The numbers of an index, two for each block. */
function readRecords(path: string, index: Buffer): number[] {
  const end = index.length - 4;
  if (index[0] !== 0 || index.readUInt32LE(end) !== crc32(index.subarray(0, end))) {
    throw broken(path);
  }
  const place = { at: 1 };
  const count = readMultibyte(index, place);
  // Each block takes two bytes at least.
  if (!(count <= end / 2)) throw broken(path);
  const records: number[] = [];
  for (let number = 0; number < 2 * count; number++) {
    const value = readMultibyte(index, place);
    if (!Number.isSafeInteger(value)) throw broken(path);
    records.push(value);
  }
  if (place.at > end) throw broken(path);
  return records;
}

/**
 * Refuses other filters than LZMA2, which all blocks of a file have in common.
 *
 * @param at Where a block begins.
 */
function checkFilters(file: ReadableFile, at: number): void {
  const header = file.read(at, BLOCK_HEADER_BYTES_MAX);
  const flags = header[1]!;
  const place = { at: 2 };
  // Programs with several threads write the sizes of the block here, too.
  for (const size of [0x40, 0x80]) if ((flags & size) !== 0) readMultibyte(header, place);
  if ((flags & 3) !== 0 || readMultibyte(header, place) !== LZMA2) {
    const what = 'it is packed with other filters than LZMA2';
    throw notSeekable(file.path, what, 'xz', PACKER);
  }
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / 4) * 4;
}

function broken(path: string): Error {
  return malformed(path, 'its index does not fit the file');
}
