import { hasSignature, readGpt } from './gpt.js';
import {
  isProtective,
  MBR_BYTES,
  type MbrEntry,
  mbrId,
  parseMbr,
  readMbrPartitions,
} from './mbr.js';
import { checkPlaces, type PartitionTable, Problems, type Reading } from './table.js';

/** The sizes of a sector that disks have. */
export const SECTOR_SIZES: readonly number[] = [512, 4096];

/** Bytes of a sector, as far as they are known before the table is. Plain data. */
export interface SectorSizes {
  /** To be tried for a GPT, whose header is in sector 1. */
  gpt: readonly number[];
  /** For an MBR, which does not tell. */
  mbr: number;
}

/**
 * @param asked Of the user; null: none.
 * @param own Of the block device that is the image; null for another image, whose MBR counts in 512.
 */
export function sectorSizesFor(asked: number | null, own: number | null): SectorSizes {
  if (asked !== null) return { gpt: [asked], mbr: asked };
  return { gpt: SECTOR_SIZES, mbr: own === null || !SECTOR_SIZES.includes(own) ? 512 : own };
}

/** Holds the MBR and the first GPT header for every size of a sector. */
const HEAD_BYTES = 8192;

/**
 * Reads the partition table of an image: an MBR, or a GPT if the MBR says that there is one. Without an
 * MBR that says so a GPT does not count, for it may be left over from an earlier use of the disk. (Linux and
 * sfdisk do the same.)
 *
 * @param size Of the image, bytes.
 * @returns Null if nothing looks like a table.
 */
export function* readTable(size: number, sectors: SectorSizes): Reading<PartitionTable | null> {
  if (size < MBR_BYTES) return null;
  const head: Uint8Array = yield { offset: 0, length: Math.min(HEAD_BYTES, size) };
  const entries = parseMbr(head);
  const problems = new Problems();
  if (entries?.some(isProtective))
    return yield* readGptTable(head, entries, size, sectors.gpt, problems);
  if (entries === null || entries.length === 0) return unprotected(head, sectors.gpt);
  const { mbr: sectorSize } = sectors;
  const partitions = yield* readMbrPartitions(entries, size, sectorSize, problems);
  checkPlaces(partitions, size, problems);
  return {
    scheme: 'mbr',
    sectorSize,
    id: mbrId(head),
    isHybrid: false,
    isBackup: false,
    partitions,
    problems: problems.all,
  };
}

function* readGptTable(
  head: Uint8Array,
  entries: readonly MbrEntry[],
  size: number,
  sizes: readonly number[],
  problems: Problems,
): Reading<PartitionTable> {
  const { sectorSize, isBackup, copy } = yield* readGpt(head, size, sizes, problems);
  if (copy !== null) checkPlaces(copy.partitions, size, problems);
  return {
    scheme: 'gpt',
    sectorSize,
    id: copy?.id ?? '',
    isHybrid: entries.some((entry) => !isProtective(entry)),
    isBackup,
    partitions: copy?.partitions ?? [],
    problems: problems.all,
  };
}

/** No MBR: the user of a disk whose first sector alone is lost should know what is behind it. */
function unprotected(head: Uint8Array, sizes: readonly number[]): PartitionTable | null {
  const sectorSize = sizes.find((bytes) => hasSignature(head, bytes));
  if (sectorSize === undefined) return null;
  const what = 'there is a GPT, which does not count because sector 0 has no protective MBR';
  const shape = { scheme: 'gpt', sectorSize, id: '', isHybrid: false, isBackup: false } as const;
  return { ...shape, partitions: [], problems: [what] };
}
