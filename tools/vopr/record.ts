import type { Random } from '../exerciser/random.js';
import { isFar, isInHole, packed, packedSize, readPacked } from './far-files.js';
import { takeForSession } from './spare-memory.js';
import { Failure } from './world.js';

const SECTOR = 512;

/** A requested change of a host file. Times are ticks of the record's clock. */
export interface Change {
  file: number;
  kind: 'write' | 'zero' | 'zero longer' | 'size' | 'longer';
  /**
   * In bytes; for `size` the new size. `longer` makes room for a range without changing bytes; `zero` leaves the
   * size as it is.
   */
  offset: number;
  length: number;
  /** The written bytes; null for zeros and sizes. */
  bytes: Buffer | null;
  issued: number;
  /** The time of its end; Infinity while it is in progress. */
  done: number;
  /** The host reported an error: any part of the change may have been made. */
  failed: boolean;
}

/** A flush: changes that ended before it was issued are on the disk when it ends. */
export interface Barrier {
  file: number;
  issued: number;
  done: number;
}

/** All operations on host files, in order. */
export class HostRecord {
  /** All bytes of the file before the first change; null: there was none. For one file. */
  before: Buffer | null = null;
  /** What was before this time is not known any more. */
  since = 0;
  readonly changes: Change[] = [];
  readonly barriers: Barrier[] = [];
  readonly #clock: (() => number) | null;
  #now = 0;
  #isFar = false;

  /** @param clock Gives the times; without it the record counts for itself. */
  constructor(clock: (() => number) | null = null) {
    this.#clock = clock;
  }

  /** Nothing is known any more of what was before. @param before The bytes of the file; null: to be taken. */
  restart(before: Buffer | null): void {
    this.before = before;
    this.changes.length = 0;
    this.barriers.length = 0;
    this.since = this.tick();
  }

  /** The file had these bytes before the first change. */
  begunWith(descriptor: number, bytes: Buffer): this {
    if (this.before === null) {
      this.before = bytes;
      this.#isFar = isFar(descriptor);
    }
    return this;
  }

  /** A change of the file begins. @param offset In the file, or among the bytes that are kept of it. */
  begin(
    descriptor: number,
    kind: Change['kind'],
    offset: number,
    length: number,
    bytes: Buffer | null,
  ): Change {
    if (this.before === null) this.begunWith(descriptor, contentOf(descriptor));
    if (this.#isFar && kind !== 'size' && isInHole(offset)) {
      throw new Failure(`a ${kind} at ${offset}, where no cluster is`);
    }
    const place = packed(offset);
    const [issued, done] = [this.tick(), Infinity];
    const change = { file: 0, kind, offset: place, length, bytes, issued, done, failed: false };
    this.changes.push(change);
    return change;
  }

  /** A flush that was issued then has failed: the host counts all that it should have written as clean. */
  lose(issued: number): void {
    const done = this.barriers.filter((one) => one.done < Infinity);
    const certain = Math.max(0, ...done.map((one) => one.issued));
    for (const change of this.changes) {
      if (change.done > certain && change.issued < issued) change.failed = true;
    }
  }

  get now(): number {
    return this.#now;
  }

  /** Advances the clock by one tick and returns the time. */
  tick(): number {
    this.#now = this.#clock === null ? this.#now + 1 : this.#clock();
    return this.#now;
  }
}

/** The bytes of a file, until the session ends. */
export function contentOf(descriptor: number): Buffer {
  const bytes = takeForSession(packedSize(descriptor));
  return readPacked(descriptor, bytes);
}

/** Bytes from `offset` to the last border of sectors among the next `length`: sectors are never torn. */
export function toSector(offset: number, length: number): number {
  const end = offset + length;
  return Math.max(0, end - (end % SECTOR) - offset);
}

/**
 * How much of a change that fails is made all the same, bytes: often nothing.
 *
 * @param room Bytes up to the end of what the file can have.
 */
export function tornOf(random: Random, offset: number, length: number, room: number): number {
  const torn = Math.min(toSector(offset, random.below(length + SECTOR)), length, room);
  return torn > 0 && random.oneIn(2) ? torn : 0;
}
