import { viewOf } from '../fields.js';

/** The polynomial of CRC-32C (Castagnoli), bits reversed: RFC 3720, appendix B.4. */
const POLYNOMIAL = 0x82f63b78;

const TABLE = new Uint32Array(256);
for (let byte = 0; byte < 256; byte++) {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ ((value & 1) === 1 ? POLYNOMIAL : 0);
  TABLE[byte] = value;
}

/** The field of a checksum, in all structures. */
const CHECKSUM_AT = 4;

/** Is the second word of a structure the checksum of all of it? */
export function isSound(bytes: Uint8Array): boolean {
  return viewOf(bytes).getUint32(CHECKSUM_AT, true) === crc32c(bytes, CHECKSUM_AT);
}

/** CRC-32C of bytes, four of which, from `hole` on, count as zeros: the field that holds the checksum. */
export function crc32c(bytes: Uint8Array, hole: number): number {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) {
    const byte = i >= hole && i < hole + 4 ? 0 : bytes[i]!;
    crc = TABLE[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  }
  return ~crc >>> 0;
}
