import { fstatSync, readSync } from 'node:fs';
import { takeForSession } from './spare-memory.js';

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
  const bytes = takeForSession(fstatSync(descriptor).size);
  return bytes.subarray(0, readSync(descriptor, bytes, 0, bytes.length, 0));
}

/** Bytes from `offset` to the last border of sectors among the next `length`: sectors are never torn. */
export function toSector(offset: number, length: number): number {
  const end = offset + length;
  return Math.max(0, end - (end % SECTOR) - offset);
}
