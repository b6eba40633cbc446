/** Writes are multiples of this: two of them can share a sector, and do. */
export const ATOM = 128;

/** What a write leaves that leaves zeros. */
export const ZEROS = -1;

/** A write to a disk. Times are ticks of the host's record. */
export interface Write {
  /** Bytes of the disk, whole atoms. */
  offset: number;
  length: number;
  /** A number of its own, from 1, or ZEROS. */
  version: number;
  sent: number;
  /** When it was answered with success; Infinity if it was not. */
  answered: number;
  /** Not answered yet. */
  open: boolean;
}

/** The disk was made longer by truncate. */
export interface Growth {
  size: number;
  sent: number;
  answered: number;
}

export function roundUpToSector(size: number): number {
  return Math.ceil(size / 512) * 512;
}

/** An atom says which it is and which write of it this was. */
export function stamp(bytes: Buffer, offset: number, length: number, version: number): void {
  for (let at = 0; at < length; at += 8) {
    bytes.writeUInt32LE(Math.floor((offset + at) / ATOM), at);
    bytes.writeUInt32LE(version, at + 4);
  }
}

/** All writes to a disk: what it may read as. No two that overlap are under way at once. */
export class History {
  readonly writes: Write[] = [];
  readonly growths: Growth[] = [];
  /** It never gets longer. */
  readonly limit: number;
  readonly #before: Buffer;
  readonly #length: number;

  /**
   * @param before What the disk read as before all writes.
   * @param limit The disk may get as long as this.
   */
  constructor(before: Buffer, limit = 0) {
    this.limit = Math.max(limit, before.length);
    this.#length = before.length;
    this.#before = Buffer.concat([before, Buffer.alloc(this.limit - before.length)]);
  }

  /** How long the disk is at least, with what was answered. */
  get size(): number {
    return this.#sizeWith((one) => one.answered < Number.POSITIVE_INFINITY);
  }

  /** How long it is at most, with what was sent. */
  get sizeSent(): number {
    return this.#sizeWith(() => true);
  }

  #sizeWith(counts: (one: Growth | Write) => boolean): number {
    const ends = this.writes.filter(counts).map((one) => one.offset + one.length);
    const sizes = this.growths.filter(counts).map((one) => one.size);
    return roundUpToSector([...ends, ...sizes].reduce((a, b) => Math.max(a, b), this.#length));
  }

  /** The same for a whole disk, which must also have a length that it may have. */
  checkWhole(read: Buffer, certain: number, until: number): string | null {
    const least = this.#sizeWith((one) => one.answered <= certain);
    const most = this.#sizeWith((one) => one.sent <= until);
    if (read.length < least || read.length > most) {
      return `it is ${read.length} bytes long, not ${least} to ${most}`;
    }
    return this.check(read, 0, certain, until);
  }

  /** Is anything being written there? */
  isBusy(offset: number, length: number): boolean {
    return this.writes.some((one) => {
      return one.open && one.offset < offset + length && offset < one.offset + one.length;
    });
  }

  /**
   * Compares what was read from `offset` with what it may be: every write that was answered by
   * `certain` shows, unless a later one hides it; one that was sent by `until` may show.
   * @returns What is wrong, or null.
   */
  check(read: Buffer, offset: number, certain: number, until: number): string | null {
    const end = offset + read.length;
    const near = this.writes.filter((one) => {
      return one.sent <= until && one.offset < end && offset < one.offset + one.length;
    });
    const expected = Buffer.from(this.#before.subarray(offset, end));
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

function looksLike(got: Buffer, offset: number, write: Write): boolean {
  const wanted = Buffer.alloc(got.length);
  put(wanted, offset, { ...write, offset, length: got.length });
  return wanted.equals(got);
}

/** Writes what of a write lies in `bytes`, which begin at byte `start` of the disk. */
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
