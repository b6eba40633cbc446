import { crc32 } from 'node:zlib';
import type { ByteRange, Partition, Problems, Reading } from './table.js';

// The layout is that of the UEFI specification, chapter 5: a header in sector 1 and another one in the
// last sector, each of which names an array of entries. All numbers are little endian.

const SIGNATURE = 'EFI PART';
/** The part of a header that is defined. */
const HEADER_BYTES = 92;
const ENTRY_BYTES_MIN = 128;
const ENTRY_BYTES_MAX = 4096;
/** 2048 entries of the usual size; tables have 128. What is read of a table has a bound. */
const ARRAY_BYTES_MAX = 256 << 10;
const NAME_AT = 56;
const NAME_BYTES = 72;
const GUID_BYTES = 16;

/** A header whose own checksum is right. Places in sectors; above 2^53 they are not exact. */
interface Header {
  at: number;
  other: number;
  id: string;
  array: number;
  entries: number;
  entryBytes: number;
  arrayChecksum: number;
}

/** One of the two copies of a table. */
export interface GptCopy {
  id: string;
  partitions: Partition[];
}

/** A GPT, or as much of it as is sound. */
export interface Gpt {
  sectorSize: number;
  isBackup: boolean;
  /** Null if both copies are damaged. */
  copy: GptCopy | null;
}

/** Does a header, sound or not, begin at this byte? */
export function hasSignature(head: Uint8Array, at: number): boolean {
  return Buffer.from(head.subarray(at, at + SIGNATURE.length)).toString('latin1') === SIGNATURE;
}

/**
 * Reads a GPT: the first copy, or where that is damaged the one at the end of the disk.
 *
 * @param head The first bytes of the image.
 * @param size Of the image, bytes.
 * @param sectorSizes The sizes of a sector to try.
 */
export function* readGpt(
  head: Uint8Array,
  size: number,
  sectorSizes: readonly number[],
  problems: Problems,
): Reading<Gpt> {
  const signed = sectorSizes.filter((bytes) => hasSignature(head, bytes));
  const tried = signed.length > 0 ? signed : sectorSizes;
  for (const sectorSize of tried) {
    const disk = { size, sectorSize };
    const first = yield* readCopy(disk, 1);
    if (first.copy !== null) {
      yield* checkBackup(disk, first.header!, problems);
      return { sectorSize, isBackup: false, copy: first.copy };
    }
    problems.add(`the first GPT: ${first.why}`);
    const last = Math.floor(size / sectorSize) - 1;
    // Where the disk has grown, only the first header knows where the other is.
    const places = new Set([first.header?.other ?? last, last]);
    for (const place of places) {
      const backup = yield* readCopy(disk, place);
      if (backup.copy !== null) return { sectorSize, isBackup: true, copy: backup.copy };
      problems.add(`the backup GPT: ${backup.why}`);
    }
  }
  return { sectorSize: tried[0]!, isBackup: false, copy: null };
}

/** The disk of a table: its bytes, and those of a sector. */
interface DiskShape {
  size: number;
  sectorSize: number;
}

/** The backup is not needed now, but somebody should know that it is not there. */
function* checkBackup(disk: DiskShape, { other }: Header, problems: Problems): Reading<void> {
  const { why } = yield* readHeader(disk, other);
  if (why !== '') problems.add(`the backup GPT: ${why}`);
}

interface HeaderRead {
  header: Header | null;
  /** '' for a sound header. */
  why: string;
}

function* readCopy(disk: DiskShape, at: number): Reading<HeaderRead & { copy: GptCopy | null }> {
  const { header, why } = yield* readHeader(disk, at);
  if (header === null) return { header, why, copy: null };
  const { array, entries, entryBytes, arrayChecksum, id } = header;
  const bytes = entries * entryBytes;
  const bad = (reason: string) => ({ header, why: reason, copy: null });
  if (bytes > ARRAY_BYTES_MAX) {
    return bad(`${entries} entries of ${entryBytes} bytes are more than any disk has`);
  }
  const range: ByteRange = { offset: array * disk.sectorSize, length: bytes };
  if (range.offset + bytes > disk.size) return bad('its entries lie behind the end of the image');
  const read = bytes === 0 ? new Uint8Array(0) : yield range;
  if (crc32(read) !== arrayChecksum) return bad('the checksum of its entries is wrong');
  const partitions: Partition[] = [];
  for (let index = 0; index < entries; index++) {
    const at = index * entryBytes;
    const partition = parseEntry(read.subarray(at, at + entryBytes), index + 1, disk.sectorSize);
    if (partition !== null) partitions.push(partition);
  }
  return { header, why: '', copy: { id, partitions } };
}

function* readHeader({ size, sectorSize }: DiskShape, at: number): Reading<HeaderRead> {
  const bad = (why: string): HeaderRead => ({ header: null, why });
  const offset = at * sectorSize;
  if (at < 1 || offset + sectorSize > size) return bad('it is behind the end of the image');
  const sector: Uint8Array = yield { offset, length: sectorSize };
  if (!hasSignature(sector, 0)) return bad('there is no header');
  const view = new DataView(sector.buffer, sector.byteOffset, sector.byteLength);
  const bytes = view.getUint32(12, true);
  if (bytes < HEADER_BYTES || bytes > sectorSize) return bad(`a header of ${bytes} bytes`);
  // A copy: `slice` of a Buffer is none.
  const header = Uint8Array.from(sector.subarray(0, bytes)).fill(0, 16, 20);
  if (crc32(header) !== view.getUint32(16, true)) return bad('the checksum of its header is wrong');
  const entryBytes = view.getUint32(84, true);
  const isPower = (entryBytes & (entryBytes - 1)) === 0;
  if (!isPower || entryBytes < ENTRY_BYTES_MIN || entryBytes > ENTRY_BYTES_MAX) {
    return bad(`entries of ${entryBytes} bytes`);
  }
  const found: Header = {
    at: number64(view, 24),
    other: number64(view, 32),
    id: guid(sector, 56),
    array: number64(view, 72),
    entries: view.getUint32(80, true),
    entryBytes,
    arrayChecksum: view.getUint32(88, true),
  };
  if (found.at !== at) return bad('it was made for another place');
  return { header: found, why: '' };
}

function parseEntry(entry: Uint8Array, number: number, sectorSize: number): Partition | null {
  // Most entries are free: their type is zeros.
  if (entry.subarray(0, GUID_BYTES).every((byte) => byte === 0)) return null;
  const view = new DataView(entry.buffer, entry.byteOffset, entry.byteLength);
  const first = number64(view, 32);
  const last = number64(view, 40);
  return {
    number,
    start: first * sectorSize,
    size: Math.max(0, last - first + 1) * sectorSize,
    type: guid(entry, 0),
    name: nameOf(entry),
    uuid: guid(entry, 16),
    // "Legacy BIOS bootable", bit 2 of the attributes.
    bootable: (entry[48]! & 4) !== 0,
    isExtended: false,
  };
}

/** UTF-16 up to the first NUL. */
function nameOf(entry: Uint8Array): string {
  const text = new TextDecoder('utf-16le').decode(entry.subarray(NAME_AT, NAME_AT + NAME_BYTES));
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}

/** The first three parts of a GUID are little-endian numbers. */
function guid(bytes: Uint8Array, at: number): string {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset + at, GUID_BYTES);
  const parts = [
    view.readUInt32LE(0).toString(16).padStart(8, '0'),
    view.readUInt16LE(4).toString(16).padStart(4, '0'),
    view.readUInt16LE(6).toString(16).padStart(4, '0'),
    view.toString('hex', 8, 10),
    view.toString('hex', 10, 16),
  ];
  return parts.join('-').toUpperCase();
}

/** Above 2^53 it is not exact, but far behind the end of every image all the same. */
function number64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
}
