/** Writes are multiples of this, so that several share a sector. */
export const ATOM = 128;

/** The version of a write of zeros. */
export const ZEROS = -1;

/** A write to a disk. Times are ticks of the host's record. */
export interface Write {
  /** Offset in the disk in bytes; a write has whole atoms. */
  offset: number;
  length: number;
  /** A unique number from 1 on, or ZEROS. */
  version: number;
  sent: number;
  /** The time of its successful answer; Infinity if there was none. */
  answered: number;
  /** Not answered yet. */
  open: boolean;
}

/** A truncate that made the disk longer. */
export interface Growth {
  size: number;
  sent: number;
  answered: number;
}

export function roundUpToSector(size: number): number {
  return Math.ceil(size / 512) * 512;
}

/** Fills a range with atoms, each of which contains its place and the version of its write. */
export function stamp(bytes: Buffer, offset: number, length: number, version: number): void {
  for (let at = 0; at < length; at += 8) {
    bytes.writeUInt32LE(Math.floor((offset + at) / ATOM), at);
    bytes.writeUInt32LE(version, at + 4);
  }
}

/** All writes to a disk, and so its possible contents. Writes in progress must not overlap. */
export class History {
  readonly writes: Write[] = [];
  readonly growths: Growth[] = [];
  /** The largest size of the disk. */
  readonly limit: number;
  readonly #before: Buffer;
  readonly #length: number;

  /**
   * @param before The contents of the disk before all writes.
   * @param limit The largest size of the disk.
   */
  constructor(before: Buffer, limit = 0) {
    this.limit = Math.max(limit, before.length);
    this.#length = before.length;
    this.#before = Buffer.concat([before, Buffer.alloc(this.limit - before.length)]);
  }

  /** The least size of the disk, by the answered requests. */
  get size(): number {
    return this.#sizeWith((one) => one.answered < Number.POSITIVE_INFINITY);
  }

  /** The largest size of the disk, by the requests sent. */
  get sizeSent(): number {
    return this.#sizeWith(() => true);
  }

  #sizeWith(counts: (one: Growth | Write) => boolean): number {
    const ends = this.writes.filter(counts).map((one) => one.offset + one.length);
    const sizes = this.growths.filter(counts).map((one) => one.size);
    return roundUpToSector([...ends, ...sizes].reduce((a, b) => Math.max(a, b), this.#length));
  }

  /** Like `check`, for a whole disk, whose size must be possible too. */
  checkWhole(read: Buffer, certain: number, until: number): string | null {
    const least = this.#sizeWith((one) => one.answered <= certain);
    const most = this.#sizeWith((one) => one.sent <= until);
    if (read.length < least || read.length > most) {
      return `it is ${read.length} bytes long, not ${least} to ${most}`;
    }
    return this.check(read, 0, certain, until);
  }

  /** True if a write to this range is in progress. */
  isBusy(offset: number, length: number): boolean {
    return this.writes.some((one) => {
      return one.open && one.offset < offset + length && offset < one.offset + one.length;
    });
  }

  /**
   * Compares the bytes read at `offset` with the possible contents. Every write answered by `certain` must
   * show unless a later one hides it; a write sent by `until` may show.
   * @returns The error, or null.
   */
  check(read: Buffer, offset: number, certain: number, until: number): string | null {
    const end = offset + read.length;
    const near = this.writes.filter((one) => {
      return one.sent <= until && one.offset < end && offset < one.offset + one.length;
    });
    const expected = scratch(read.length);
    this.#before.copy(expected, 0, offset, end);
    const shown = near.filter((one) => one.answered <= certain);
    for (const one of shown.sort((a, b) => a.answered - b.answered)) put(expected, offset, one);
    if (expected.equals(read)) return null;
    const maybe = near.filter((one) => one.answered > certain);
    for (let at = offset - (offset % ATOM); at < end; at += ATOM) {
      const from = Math.max(at, offset) - offset;
      const to = Math.min(at + ATOM, end) - offset;
      const got = read.subarray(from, to);
      if (got.equals(expected.subarray(from, to))) continue;
      const covers = maybe.filter((one) => one.offset <= at && at < one.offset + one.length);
      if (!covers.some((one) => looksLike(got, offset + from, one))) {
        return `byte ${at} reads as ${describe(got)}, not as ${describe(expected.subarray(from, to))}`;
      }
    }
    return null;
  }
}

let memory = Buffer.alloc(0);

/** Memory for one comparison: new memory for each would take longer than the comparison. */
function scratch(length: number): Buffer {
  if (memory.length < length) memory = Buffer.alloc(length);
  return memory.subarray(0, length);
}

function looksLike(got: Buffer, offset: number, write: Write): boolean {
  const wanted = Buffer.alloc(got.length);
  put(wanted, offset, { ...write, offset, length: got.length });
  return wanted.equals(got);
}

/** Writes the part of a write that lies in `bytes`, which begin at byte `start` of the disk. */
function put(bytes: Buffer, start: number, write: Write): void {
  const from = Math.max(start, write.offset);
  const to = Math.min(start + bytes.length, write.offset + write.length);
  const part = bytes.subarray(from - start, to - start);
  if (write.version === ZEROS) part.fill(0);
  else stamp(part, from, part.length, write.version);
}

function describe(atom: Buffer): string {
  if (atom.every((byte) => byte === 0)) return 'zeros';
  return `write ${atom.readUInt32LE(4)} of atom ${atom.readUInt32LE(0)}`;
}
