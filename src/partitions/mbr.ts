import {
  type ByteRange,
  PARTITIONS_MAX,
  type Partition,
  type Problems,
  type Reading,
} from './table.js';

// The layout is that of Linux (block/partitions/msdos.c): four entries of 16 bytes from byte 446, with
// sectors counted in 32 bits, and the bytes 55 AA at the end. An extended partition holds a chain of
// sectors laid out alike: one entry for a logical partition, one for the next sector of the chain.

/** Bytes that hold an MBR, whatever the size of a sector. */
export const MBR_BYTES = 512;

const ENTRIES_AT = 446;
const ENTRY_BYTES = 16;
const SIGNATURE_AT = 510;
const ID_AT = 440;
const ACTIVE = 0x80;
/** DOS, Windows with LBA, Linux. */
const EXTENDED: ReadonlySet<number> = new Set([0x05, 0x0f, 0x85]);
/** The one entry of a protective MBR: the disk has a GPT. */
const PROTECTIVE = 0xee;
const FIRST_LOGICAL = 5;
/** Sectors of the chain that are followed. Each of them makes one partition at most. */
const LINKS_MAX = PARTITIONS_MAX - FIRST_LOGICAL + 1;

/** An entry in use. Places in sectors. */
export interface MbrEntry {
  /** Its place in the table, from 1. */
  number: number;
  type: number;
  start: number;
  sectors: number;
  bootable: boolean;
}

/**
 * The entries in use of an MBR; null if the bytes are none. The first sector of a file system may have its
 * signature too: then the bytes in the place of the entries are code or text.
 *
 * @param bytes MBR_BYTES at least.
 */
export function parseMbr(bytes: Uint8Array): MbrEntry[] | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint16(SIGNATURE_AT, true) !== 0xaa55) return null;
  const entries: MbrEntry[] = [];
  for (let index = 0; index < 4; index++) {
    const at = ENTRIES_AT + index * ENTRY_BYTES;
    const status = bytes[at]!;
    if (status !== 0 && status !== ACTIVE) return null;
    const type = bytes[at + 4]!;
    const start = view.getUint32(at + 8, true);
    const sectors = view.getUint32(at + 12, true);
    if (type === 0 && sectors === 0) continue;
    entries.push({ number: index + 1, type, start, sectors, bootable: status === ACTIVE });
  }
  return entries;
}

/** The disk signature, as sfdisk writes it. */
export function mbrId(bytes: Uint8Array): string {
  const id = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(ID_AT, true);
  return `0x${id.toString(16).padStart(8, '0')}`;
}

export function isProtective({ type }: MbrEntry): boolean {
  return type === PROTECTIVE;
}

/**
 * The partitions of an MBR with the logical ones.
 * @param size Of the image, bytes.
 */
export function* readMbrPartitions(
  entries: readonly MbrEntry[],
  size: number,
  sectorSize: number,
  problems: Problems,
): Reading<Partition[]> {
  const partitions = entries.map((entry) => partitionOf(entry, 0, sectorSize));
  const [extended, second] = partitions.filter(({ isExtended }) => isExtended);
  if (second !== undefined) {
    problems.add(`p${second.number} is a second extended partition, which does not count`);
  }
  if (extended === undefined || extended.size === 0) return partitions;
  const logical = yield* readLogical(extended, size, sectorSize, problems);
  return [...partitions, ...logical];
}

/** Follows the chain, as far as LINKS_MAX. */
function* readLogical(
  extended: Partition,
  size: number,
  sectorSize: number,
  problems: Problems,
): Reading<Partition[]> {
  const found: Partition[] = [];
  const seen = new Set<number>();
  const chain = `the chain of logical partitions in p${extended.number}`;
  for (let at = extended.start; ; ) {
    if (seen.has(at)) {
      problems.add(`${chain} is a loop`);
      return found;
    }
    if (at + MBR_BYTES > size) {
      problems.add(`${chain} goes on behind the end of the image`);
      return found;
    }
    if (seen.size === LINKS_MAX) {
      problems.add(`${chain} is longer than the ${LINKS_MAX} that are followed`);
      return found;
    }
    seen.add(at);
    const range: ByteRange = { offset: at, length: MBR_BYTES };
    const entries = parseMbr(yield range);
    if (entries === null) {
      problems.add(`${chain} is broken at byte ${at}`);
      return found;
    }
    const data = entries.find((entry) => !EXTENDED.has(entry.type) && entry.sectors > 0);
    const link = entries.find((entry) => EXTENDED.has(entry.type) && entry.sectors > 0);
    if (data !== undefined) {
      const number = FIRST_LOGICAL + found.length;
      const partition = partitionOf({ ...data, number }, at, sectorSize);
      if (!isWithin(partition, extended)) {
        problems.add(`p${number} is outside of p${extended.number}`);
      }
      found.push(partition);
    }
    if (link === undefined) return found;
    at = extended.start + link.start * sectorSize;
  }
}

function isWithin(inner: Partition, outer: Partition): boolean {
  return inner.start >= outer.start && inner.start + inner.size <= outer.start + outer.size;
}

/** @param origin Byte that the entry's start counts from. */
function partitionOf(entry: MbrEntry, origin: number, sectorSize: number): Partition {
  const { number, type, start, sectors, bootable } = entry;
  return {
    number,
    start: origin + start * sectorSize,
    size: sectors * sectorSize,
    type: type.toString(16),
    name: '',
    uuid: '',
    bootable,
    isExtended: EXTENDED.has(type),
  };
}
