import type { ReadableFile } from '../../host/open-file.js';
import { u64, uuidAt, viewOf } from '../fields.js';
import { malformed, unsupported } from '../refusal.js';

// Virtual Hard Disk Image Format Specification 1.0, "Hard Disk Footer Format". Numbers are big-endian.

export const FOOTER_BYTES = 512;
/** Before Virtual PC 2004 the footer had a byte less. */
const OLD_FOOTER_BYTES = 511;

const COOKIE = 'conectix';
const VERSION_AT = 12;
const HEADER_AT = 16;
const CREATOR_AT = 28;
const SIZE_AT = 48;
const CYLINDERS_AT = 56;
const HEADS_AT = 58;
const SECTORS_AT = 59;
const TYPE_AT = 60;
const CHECKSUM_AT = 64;
const ID_AT = 68;

const VERSION = 0x00010000;

/** The largest geometry: the disk is of that size or larger. */
const GEOMETRY_MAX = 65535 * 16 * 255;
/** Creators whose disks have the size of the geometry, which is rounded down: Virtual PC, old QEMU. */
const GEOMETRY_CREATORS: readonly string[] = ['vpc ', 'qemu'];

export type VhdType = 'fixed' | 'dynamic' | 'differencing';

/** Types by their numbers. */
const TYPES: Readonly<Record<number, VhdType>> = { 2: 'fixed', 3: 'dynamic', 4: 'differencing' };

/** The footer of an image, decoded and checked. Plain data. */
export interface Footer {
  type: VhdType;
  /** Virtual size, bytes. */
  size: number;
  /** Host offset of the header of a dynamic image. */
  headerOffset: number;
  /** The program that made the image, at most four letters. */
  creator: string;
  id: string;
  /** Host offset of the footer, to which the data of a fixed image reaches. */
  offset: number;
}

/** Do these bytes begin with a footer, or end with one? */
export function isVhd(head: Uint8Array, tail: Uint8Array): boolean {
  return hasCookie(head, 0) || tailOf(tail) !== null;
}

/**
 * The footer at the end of the file, or if that is broken the copy that images but fixed ones have at the
 * beginning. In this order, because the beginning of a fixed image is written by the guest.
 *
 * @throws SluiceError exit code 3: EINVAL for a broken footer, ENOTSUP for what we cannot read
 */
export function readFooter(file: ReadableFile): Footer {
  const { path, size } = file;
  const bytes = Math.min(FOOTER_BYTES, size);
  const tail = tailOf(file.read(size - bytes, bytes));
  if (tail !== null && isSound(tail)) {
    const old = bytes === FOOTER_BYTES && tail.length === OLD_FOOTER_BYTES;
    return decode(path, tail, size - (old ? OLD_FOOTER_BYTES : FOOTER_BYTES));
  }
  const head = file.read(0, FOOTER_BYTES);
  if (size >= FOOTER_BYTES && hasCookie(head, 0) && isSound(head)) {
    const footer = decode(path, head, 0);
    if (footer.type !== 'fixed') return footer;
  }
  if (tail === null && !hasCookie(head, 0)) throw malformed(path, 'not a VHD image');
  throw malformed(path, 'its footer is cut off, or the checksum of the footer is wrong');
}

function hasCookie(bytes: Uint8Array, at: number): boolean {
  return Buffer.from(bytes.subarray(at, at + COOKIE.length)).toString('latin1') === COOKIE;
}

/** The footer at the end of a file's last bytes. */
function tailOf(tail: Uint8Array): Uint8Array | null {
  if (tail.length < OLD_FOOTER_BYTES) return null;
  if (tail.length === FOOTER_BYTES && hasCookie(tail, 0)) return tail;
  const old = tail.subarray(tail.length - OLD_FOOTER_BYTES);
  return hasCookie(old, 0) ? old : null;
}

function isSound(footer: Uint8Array): boolean {
  return viewOf(footer).getUint32(CHECKSUM_AT) === checksumOf(footer, CHECKSUM_AT);
}

/** The complement of the sum of all bytes but those of the checksum at `at`. */
export function checksumOf(bytes: Uint8Array, at: number): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i++) if (i < at || i >= at + 4) sum += bytes[i]!;
  return ~sum >>> 0;
}

function decode(path: string, bytes: Uint8Array, offset: number): Footer {
  const view = viewOf(bytes);
  const version = view.getUint32(VERSION_AT);
  if (version >>> 16 !== VERSION >>> 16) {
    throw unsupported(path, `VHD version ${version >>> 16} is not supported; version 1 is`);
  }
  const number = view.getUint32(TYPE_AT);
  const type = TYPES[number];
  if (type === undefined) throw unsupported(path, `VHD images of type ${number} are not supported`);
  return {
    type,
    size: sizeOf(view, creatorOf(bytes)),
    headerOffset: u64(view, HEADER_AT, false),
    creator: creatorOf(bytes).replace(/[\0 ]+$/, ''),
    id: uuidAt(view, ID_AT, false),
    offset,
  };
}

function creatorOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.subarray(CREATOR_AT, CREATOR_AT + 4)).toString('latin1');
}

/**
 * The footer tells the size twice: as a number, and as a geometry that is rounded down. Virtual PC shows
 * disks by their geometry, all others by the number (QEMU, block/vpc.c: vpc_open). A geometry that says
 * nothing or more than the number is not believed.
 */
function sizeOf(view: DataView, creator: string): number {
  const size = u64(view, SIZE_AT, false);
  const sectors =
    view.getUint16(CYLINDERS_AT) * view.getUint8(HEADS_AT) * view.getUint8(SECTORS_AT);
  const isGeometry = GEOMETRY_CREATORS.includes(creator) && sectors !== GEOMETRY_MAX;
  return isGeometry && sectors > 0 && sectors * 512 <= size ? sectors * 512 : size;
}
