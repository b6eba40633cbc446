import { giveBack, take } from './spare-memory.js';

/** The version of a write of zeros. */
export const ZEROS = -1;
/** Versions from here down are bytes that were given, at the beginning of the disk. */
const FIRST_GIVEN = -2;
const given: Uint8Array[] = [];

/** A change of a disk's bytes. Times are ticks of the world. */
export interface Change {
  offset: number;
  length: number;
  /** A number from 1 on, ZEROS, or less for bytes that were given. */
  version: number;
  sent: number;
  /** Infinity while it is under way. */
  ended: number;
  /** The caller was told that all of it is done. */
  ok: boolean;
}

/** What a sector has after two writes at once is one of them; a write can be torn between sectors. */
const SECTOR = 512;

/** The largest cluster: a write to a new one writes the bytes around it, too. */
const LOSS_BYTES = 256 << 10;

const words = new Uint32Array((1 << 20) / 4 + 8);

/** What a part of a sector should have. */
const sector = Buffer.alloc(SECTOR);

/** Fills `bytes` as a write of `version` at the byte `offset` does: no two places or versions are alike. */
export function fill(bytes: Uint8Array, offset: number, version: number): void {
  if (version === ZEROS) {
    bytes.fill(0);
    return;
  }
  if (version <= FIRST_GIVEN) {
    bytes.set(given[FIRST_GIVEN - version]!.subarray(offset, offset + bytes.length));
    return;
  }
  const first = Math.floor(offset / 8);
  const count = Math.floor((offset + bytes.length - 1) / 8) - first + 1;
  for (let i = 0; i < count; i++) {
    words[2 * i] = Math.imul(first + i + 1, 0x9e3779b1);
    words[2 * i + 1] = Math.imul(version, 0x85ebca6b) ^ (first + i);
  }
  const skip = offset - first * 8;
  bytes.set(new Uint8Array(words.buffer, skip, bytes.length));
}

/**
 * The bytes that a disk may have. A value may show from the moment its write is sent until a later write
 * is acknowledged: one that was sent after it had ended.
 */
export class Contents {
  /**
   * Ends that the host's file has had, where they were within a sector: a read of that sector is two of the
   * host's, and a write may come between them.
   */
  readonly #ends = new Set<number>();
  /** Changes in the order in which they were sent. */
  readonly #changes: Change[] = [];
  /** Bytes before all changes, and after all acknowledged ones. */
  readonly #base: Buffer;
  readonly #expected: Buffer;
  /** What they lie in. */
  readonly #memory: readonly Buffer[];
  /** Bytes that were there when all was read last. */
  #settled: number;
  /** Behind it all is 0, in `#base` and in `#expected`. */
  #used: number;
  #version = 0;
  #lastSent = 0;

  /**
   * @param bytes What is there.
   * @param limit The most bytes that the disk can get.
   */
  constructor(bytes: Buffer, limit: number) {
    const memory = [take(limit), take(limit)] as const;
    this.#memory = memory;
    this.#base = memory[0].subarray(0, limit);
    this.#expected = memory[1].subarray(0, limit);
    this.#settled = bytes.length;
    this.#used = limit;
    this.#fill(bytes);
  }

  /** The host's file may end there at some time. */
  endsAt(place: number): void {
    if (place % SECTOR !== 0) this.#ends.add(place);
  }

  /** Gives its memory back: it is not used any more. */
  free(): void {
    for (const memory of this.#memory) giveBack(memory);
  }

  get limit(): number {
    return this.#base.length;
  }

  /** A change is sent. @param zeros Writes zeros; else `fill` has the bytes of its version. */
  begin(offset: number, length: number, zeros: boolean, now: number): Change {
    return this.#begin(offset, length, zeros ? ZEROS : ++this.#version, now);
  }

  /** A change is sent that writes these bytes at the beginning. */
  beginWith(bytes: Uint8Array, now: number): Change {
    return this.#begin(0, bytes.length, FIRST_GIVEN + 1 - given.push(bytes), now);
  }

  #begin(offset: number, length: number, version: number, now: number): Change {
    const change = { offset, length, version, sent: now, ended: Infinity, ok: false };
    this.#changes.push(change);
    this.#used = Math.max(this.#used, offset + length);
    this.#lastSent = now;
    return change;
  }

  /**
   * A change has ended; without an answer it never does.
   * @param done Bytes of it that were acknowledged. The others may be old or new.
   */
  end(change: Change, done: number, now: number): void {
    change.ended = now;
    change.ok = done > 0;
    if (done < change.length) {
      const rest = { ...change, offset: change.offset + done, length: change.length - done };
      this.#changes.push({ ...rest, ok: false });
      change.length = done;
    }
    if (done === 0) return;
    const end = change.offset + done;
    fill(this.#expected.subarray(change.offset, end), change.offset, change.version);
  }

  /** Was a change acknowledged before this tick, since all was read last? */
  hasChangedBefore(tick: number): boolean {
    return this.#changes.some(({ ok, ended }) => ok && ended < tick);
  }

  /** A change that was never made. */
  forget(change: Change): void {
    this.#changes.splice(this.#changes.indexOf(change), 1);
  }

  /** The failed changes of before are settled: these bytes are what is there. */
  settle(bytes: Buffer): void {
    if (this.#changes.length > 0 || bytes.length !== this.#settled) this.#fill(bytes);
    this.#settled = bytes.length;
    this.#changes.length = 0;
  }

  /** These bytes are what is there now, whatever was before. */
  replace(bytes: Buffer): void {
    this.#settled = -1;
    this.settle(bytes);
  }

  #fill(bytes: Buffer): void {
    for (const known of [this.#base, this.#expected]) {
      bytes.copy(known);
      known.fill(0, bytes.length, Math.max(bytes.length, this.#used));
    }
    this.#used = bytes.length;
  }

  /** The bytes that `settle` was given last. */
  settled(length: number): Buffer {
    return this.#base.subarray(0, length);
  }

  /**
   * Compares bytes with what may be there.
   * @param certain Changes acknowledged before this tick show, unless later ones hide them.
   * @param until Changes sent before this tick may show.
   * @param lost An fsync of the host has failed at this tick, 0: none. Of changes sent before it neither
   *   the bytes nor those next to them are certain, whatever was acknowledged.
   * @returns The fault, or null.
   */
  check(
    bytes: Uint8Array,
    offset: number,
    certain: number,
    until: number,
    lost = 0,
  ): string | null {
    const end = offset + bytes.length;
    if (until > this.#lastSent && this.#expected.subarray(offset, end).equals(bytes)) return null;
    const near = this.#changes.filter(
      (one) =>
        one.sent < until && one.length > 0 && one.offset < end && offset < one.offset + one.length,
    );
    for (let from = offset; from < end; ) {
      const untouched = lost === 0 ? nextChange(from, end, near) : from;
      if (
        this.#base
          .subarray(from, untouched)
          .equals(bytes.subarray(from - offset, untouched - offset))
      ) {
        from = untouched;
        if (from === end) return null;
      }
      const to = this.#nextEdge(from, end, near);
      if (this.#isLost(from, lost, certain)) {
        from = to;
        continue;
      }
      const fault = this.#checkPart(
        bytes.subarray(from - offset, to - offset),
        from,
        near,
        certain,
        lost,
      );
      if (fault !== null) return fault;
      from = to;
    }
    return null;
  }

  /** The next place where a change or a sector begins or ends. */
  #nextEdge(from: number, end: number, changes: readonly Change[]): number {
    let edge = Math.min(end, from - (from % SECTOR) + SECTOR);
    for (const place of this.#ends) if (place > from && place < edge) edge = place;
    for (const { offset, length } of changes) {
      if (offset > from && offset < edge) edge = offset;
      const last = offset + length;
      if (last > from && last < edge) edge = last;
    }
    return edge;
  }

  /** A change of before the loss wrote near this place, and nothing that is certain has done so since. */
  #isLost(at: number, lost: number, certain: number): boolean {
    if (lost === 0) return false;
    const start = at - (at % LOSS_BYTES);
    const near = this.#changes.filter(
      (one) => one.offset < start + LOSS_BYTES && start < one.offset + one.length,
    );
    const isCertain = near.some(
      ({ ok, sent, ended, offset, length }) =>
        ok && sent > lost && ended < certain && offset <= at && at < offset + length,
    );
    return !isCertain && near.some(({ sent }) => sent < lost);
  }

  /** A part that each change covers whole or not at all. */
  #checkPart(
    got: Uint8Array,
    offset: number,
    near: readonly Change[],
    certain: number,
    lost: number,
  ): string | null {
    const covering = near.filter(
      (one) => one.offset <= offset && offset + got.length <= one.offset + one.length,
    );
    const isHidden = (ended: number): boolean =>
      covering.some(
        (later) => later.ok && later.sent > Math.max(ended, lost) && later.ended < certain,
      );
    const wanted = sector.subarray(0, got.length);
    const allowed: string[] = [];
    for (const { version, ended } of covering) {
      if (isHidden(ended)) continue;
      fill(wanted, offset, version);
      if (wanted.equals(got)) return null;
      allowed.push(version === ZEROS ? 'zeros' : `write ${version}`);
    }
    if (!isHidden(0)) {
      if (this.#base.subarray(offset, offset + got.length).equals(got)) return null;
      allowed.push('as before');
    }
    const is = this.#describe(got, offset);
    return `${got.length} bytes at ${offset} read as ${is}, not as ${allowed.join(' or ')}`;
  }

  #describe(got: Uint8Array, offset: number): string {
    if (got.every((byte) => byte === 0)) return 'zeros';
    if (this.#base.subarray(offset, offset + got.length).equals(got)) return 'before';
    const wanted = Buffer.alloc(got.length);
    for (let version = 1; version <= this.#version; version++) {
      fill(wanted, offset, version);
      if (wanted.equals(got)) return `write ${version}`;
    }
    return `nothing that was ever there (${Buffer.from(got.subarray(0, 8)).toString('hex')})`;
  }
}

/** The first place from `from` on that a change covers; `end` if there is none before it. */
function nextChange(from: number, end: number, changes: readonly Change[]): number {
  let next = end;
  for (const { offset, length } of changes) {
    if (offset + length > from && offset < next) next = Math.max(from, offset);
  }
  return next;
}
