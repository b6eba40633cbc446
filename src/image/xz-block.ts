import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** Bytes of the checks that xz has names for, by their types: none, CRC32, CRC64, SHA-256. */
export const CHECK_BYTES: Readonly<Record<number, number>> = { 0: 0, 1: 4, 4: 8, 10: 32 };

const SHA256 = 10;
const HEADER_MAGIC = Buffer.from('\xfd7zXZ\0', 'latin1');
const FOOTER_MAGIC = Buffer.from('YZ', 'latin1');

/** A stream of a single block, which a decoder of xz takes. */
export interface BlockStream {
  readonly bytes: Uint8Array;
  /** Of the unpacked block. */
  readonly size: number;
  /** Its unpacked bytes have this SHA-256, which decoders in the field leave out; null: they check all. */
  readonly sha256: Buffer | null;
}

/**
 * Makes a stream of one block of xz (format 1.2.1, sections 2 and 4): the block, with a header and an index around it.
 *
 * @param block From its header to its check, without anything behind.
 * @throws Error for a block that is broken, or of another size
 */
export function streamOfBlock(block: Uint8Array): BlockStream {
  const headerBytes = (block[0]! + 1) * 4;
  const { end, size } = measure(block, headerBytes);
  const checkAt = Math.ceil(end / 4) * 4;
  const check = Object.keys(CHECK_BYTES).find((type) => {
    return CHECK_BYTES[Number(type)] === block.length - checkAt;
  });
  if (check === undefined) throw new Error('the block of xz has another length than its data');
  const isSha256 = Number(check) === SHA256;
  const checkBytes = isSha256 ? 0 : block.length - checkAt;
  const flags = Buffer.from([0, isSha256 ? 0 : Number(check)]);
  const index = makeIndex(end + checkBytes, size);
  const backward = Buffer.alloc(4);
  backward.writeUInt32LE(index.length / 4 - 1);
  const footer = Buffer.concat([backward, flags]);
  const bytes = Buffer.concat([
    ...[HEADER_MAGIC, flags, crcOf(flags)],
    block.subarray(0, checkAt + checkBytes),
    ...[index, crcOf(footer), footer, FOOTER_MAGIC],
  ]);
  return { bytes, size, sha256: isSha256 ? Buffer.from(block.subarray(checkAt)) : null };
}

/** Is it the SHA-256 of the bytes? */
export function hasSha256(bytes: Uint8Array, sha256: Buffer): boolean {
  return createHash('sha256').update(bytes).digest().equals(sha256);
}

/**
 * Goes over the chunks of LZMA2 in a block, which tell their sizes.
 *
 * @returns Where the data ends in the block, and bytes of the unpacked block.
 */
function measure(block: Uint8Array, headerBytes: number): { end: number; size: number } {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  let at = headerBytes;
  let size = 0;
  for (let control = view.getUint8(at); control !== 0; control = view.getUint8(at)) {
    if (control >= 0x80) {
      size += ((control & 0x1f) << 16) + view.getUint16(at + 1) + 1;
      // From 0xc0 on there is a byte of properties.
      at += (control >= 0xc0 ? 6 : 5) + view.getUint16(at + 3) + 1;
    } else {
      if (control > 2) throw new Error('not LZMA2');
      const bytes = view.getUint16(at + 1) + 1;
      size += bytes;
      at += 3 + bytes;
    }
  }
  return { end: at + 1, size };
}

function makeIndex(unpadded: number, size: number): Buffer {
  const numbers = [0, 1, ...multibyte(unpadded), ...multibyte(size)];
  while (numbers.length % 4 !== 0) numbers.push(0);
  const index = Buffer.from(numbers);
  return Buffer.concat([index, crcOf(index)]);
}

function crcOf(bytes: Buffer): Buffer {
  const crc = Buffer.alloc(4);
  crc.writeUInt32LE(crc32(bytes));
  return crc;
}

function multibyte(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return [...bytes, rest];
}

/**
 * Reads a number of seven bits a byte, section 1.2, and moves on behind it.
 *
 * @returns NaN where there is none.
 */
export function readMultibyte(bytes: Uint8Array, place: { at: number }): number {
  let value = 0;
  for (let factor = 1, count = 0; count < 9; count++, factor *= 0x80) {
    const byte = bytes[place.at++];
    if (byte === undefined) return Number.NaN;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return value;
  }
  return Number.NaN;
}
