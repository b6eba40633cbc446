/** Partitions with higher numbers are not shown: Linux has no more of a disk either (DISK_MAX_PARTS). */
export const PARTITIONS_MAX = 256;

/** A range of an image, bytes. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/**
 * A coroutine that reads an image: it yields ranges, all of them within the image, and goes on with
 * their bytes. So the same code reads before a mount and under way, without waiting and with.
 */
export type Reading<T> = Generator<ByteRange, T, Uint8Array>;

/** A partition as its table describes it. Plain data. */
export interface Partition {
  /** From 1, as Linux counts: 1 to 4 for the entries of an MBR, from 5 for logical ones. */
  number: number;
  /** First byte, and bytes. They may lie behind the end of the image: tables can say anything. */
  start: number;
  size: number;
  /** GPT: a GUID in capital letters. MBR: a number in hexadecimal without zeros before it. */
  type: string;
  /** GPT: the name that it was given. '' if there is none. */
  name: string;
  /** GPT: the GUID of this one. '' if there is none. */
  uuid: string;
  bootable: boolean;
  /** An extended partition: only the place of others, which are partitions of their own. */
  isExtended: boolean;
}

/** The partition table of an image. Plain data. */
export interface PartitionTable {
  scheme: 'gpt' | 'mbr';
  /** Unit of the table's numbers, bytes. */
  sectorSize: number;
  /** GUID of the disk, or the signature of an MBR as 0x and eight digits. */
  id: string;
  /** The MBR of a GPT has partitions of its own, which do not count. */
  isHybrid: boolean;
  /** Read from the end of the disk, because the first copy is damaged. */
  isBackup: boolean;
  /** By number. */
  partitions: Partition[];
  /** Sentences about faults. */
  problems: string[];
}

/** Collects problems: a table with a thousand of them tells of the first ones, and of each once. */
export class Problems {
  readonly #told: string[] = [];
  #more = 0;

  add(text: string): void {
    // A GPT is looked for with sectors of each size.
    if (this.#told.includes(text)) return;
    if (this.#told.length < 8) this.#told.push(text);
    else this.#more++;
  }

  get all(): string[] {
    return this.#more === 0 ? this.#told : [...this.#told, `${this.#more} more problems`];
  }
}

/** Is the partition shown as a file? All others are only described. */
export function isShown(
  { number, start, size, isExtended }: Partition,
  imageSize: number,
): boolean {
  return !isExtended && number <= PARTITIONS_MAX && size > 0 && start < imageSize;
}

/**
 * Finds fault with the places of partitions.
 * @param size Of the image, bytes.
 */
export function checkPlaces(
  partitions: readonly Partition[],
  size: number,
  problems: Problems,
): void {
  for (const { number, start, size: length } of partitions) {
    if (length <= 0) problems.add(`p${number} has no sectors`);
    else if (start >= size) problems.add(`p${number} begins behind the end of the image`);
    else if (start + length > size) problems.add(`p${number} ends behind the end of the image`);
    if (number > PARTITIONS_MAX) {
      problems.add(`p${number} is not shown: numbers go up to ${PARTITIONS_MAX}`);
    }
  }
  const placed = partitions.filter((one) => !one.isExtended && one.size > 0);
  const primary = partitions.filter(({ number, size: length }) => number <= 4 && length > 0);
  for (const list of [placed, primary]) checkOverlaps(list, list === placed, problems);
}

/** @param isAll Otherwise only those pairs count that have an extended partition. */
function checkOverlaps(partitions: readonly Partition[], isAll: boolean, problems: Problems): void {
  let last: Partition | null = null;
  for (const one of partitions.toSorted((a, b) => a.start - b.start || a.number - b.number)) {
    const counts = isAll || one.isExtended || last?.isExtended === true;
    if (last !== null && counts && one.start < last.start + last.size) {
      problems.add(`p${one.number} overlaps p${last.number}`);
    }
    if (last === null || one.start + one.size > last.start + last.size) last = one;
  }
}
