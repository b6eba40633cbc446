import { crc32c } from '../../src/image/vhdx/crc32c.js';
import type { Random } from '../exerciser/random.js';

/** Ranges in which the formats have headers and tables; a negative one counts from the end. */
const FIELDS = [
  [0, 1600],
  [-512, 0],
  [64 << 10, (64 << 10) + 80],
  [192 << 10, (192 << 10) + 80],
  [1 << 20, (1 << 20) + 64],
  [2 << 20, (2 << 20) + 64],
  [3 << 20, (3 << 20) + 256],
] as const;

/** The footer and the header of VHD fit. */
const SMALLEST = 2048;

/** Changes fields of an image, and makes the checksums right again, so that most images still open. */
export function mutateFields(seed: Buffer, random: Random): Buffer {
  const bytes = Buffer.from(seed);
  if (bytes.length < SMALLEST) return bytes;
  const isBig = random.oneIn(2);
  for (let i = 1 + random.below(4); i > 0; i--) {
    const [from, end] = FIELDS[random.below(FIELDS.length)]!;
    const start = from < 0 ? bytes.length + from : from;
    const at = start + random.below((end - from) / 4) * 4;
    if (at + 4 > bytes.length) continue;
    const near = random.below(Math.ceil(bytes.length / 512) + 2);
    const value = [0, 1, near, near << 20, 0xffffffff, bytes.readUInt32BE(at) ^ 1][
      random.below(6)
    ]!;
    if (isBig) bytes.writeUInt32BE(value >>> 0, at);
    else bytes.writeUInt32LE(value >>> 0, at);
  }
  sealVhd(bytes);
  sealVhdx(bytes);
  return bytes;
}

/** Complements of sums, where a footer or a header of VHD is. */
function sealVhd(bytes: Buffer): void {
  for (const [at, length, field, cookie] of [
    [0, 512, 64, 'conectix'],
    [bytes.length - 512, 512, 64, 'conectix'],
    [512, 1024, 36, 'cxsparse'],
  ] as const) {
    const isThere = bytes.subarray(at, at + 8).toString('latin1') === cookie;
    if (!isThere || at + length > bytes.length) continue;
    bytes.writeUInt32BE(0, at + field);
    const sum = bytes.subarray(at, at + length).reduce((total, byte) => total + byte, 0);
    bytes.writeUInt32BE(~sum >>> 0, at + field);
  }
}

/** CRC-32C of the headers and region tables of VHDX. */
function sealVhdx(bytes: Buffer): void {
  if (bytes.subarray(0, 8).toString('latin1') !== 'vhdxfile') return;
  for (const [at, length] of [
    [64 << 10, 4096],
    [128 << 10, 4096],
    [192 << 10, 64 << 10],
    [256 << 10, 64 << 10],
  ] as const) {
    if (at + length > bytes.length) return;
    bytes.writeUInt32LE(crc32c(bytes.subarray(at, at + length), 4), at + 4);
  }
}
