import { assert } from '../util/assert.js';

/** The page before the records: the numbers of the first record and of the one after the last. */
const HEAD_BYTES = 4096;
const BEGIN = 0;
const END = 1;

/** A power of two: numbers of records are counted modulo 2^32. */
const RECORDS = 1 << 16;
const RECORD_BYTES = 32;
/** Place of the kind in a record, in words of 32 bits. Before it is the index, a float of 64 bits; behind it four values. */
const KIND = 2;
const VALUES = 3;

/** Bytes of a log with its head. */
export const REDO_LOG_BYTES = HEAD_BYTES + RECORDS * RECORD_BYTES;

/** From here on the changes should be written before more are made: those under way find room all the same. */
const CROWDED = RECORDS / 2;

/** A record: what it means is the business of who writes it. */
export interface RedoRecord {
  kind: number;
  /** An integer below 2^53. */
  index: number;
  /** Four values of 32 bits. */
  values: readonly [number, number, number, number];
}

/**
 * Changes of metadata that are in the memory of a process and not yet in their file, in memory that outlives the process: the
 * next one makes them again. Records have absolute values, so whatever part of them has reached the file does not matter.
 *
 * Records count from `commit` on, all of them or none, whenever the process dies: the number of the last one is a single
 * store after those of the records.
 */
export class RedoLog {
  readonly #head: Uint32Array;
  readonly #words: Uint32Array;
  readonly #indices: Float64Array;
  /** The number of the next record, and of the first one. */
  #end: number;
  #begin: number;

  /** @param buffer REDO_LOG_BYTES of shared memory: zeros, or a log that there is. */
  constructor(buffer: ArrayBuffer) {
    this.#head = new Uint32Array(buffer, 0, 2);
    this.#words = new Uint32Array(buffer, HEAD_BYTES, (RECORDS * RECORD_BYTES) / 4);
    this.#indices = new Float64Array(buffer, HEAD_BYTES, (RECORDS * RECORD_BYTES) / 8);
    this.#begin = this.#head[BEGIN]!;
    this.#end = this.#head[END]!;
  }

  /** Number of records. */
  get length(): number {
    return (this.#end - this.#begin) >>> 0;
  }

  get isCrowded(): boolean {
    return this.length >= CROWDED;
  }

  /** Number of records until it is crowded, and until it is full. */
  get spare(): number {
    return Math.max(0, CROWDED - this.length);
  }

  get room(): number {
    return RECORDS - this.length;
  }

  /** The number of the next record. */
  get mark(): number {
    return this.#end;
  }

  /** Appends a record, which counts from the next `commit` on. */
  append(kind: number, index: number, a = 0, b = 0, c = 0, d = 0): void {
    // A process that died here would lose what it has acknowledged; one that ends does not: another one goes on.
    assert(this.length < RECORDS, 'the redo log is full');
    const place = this.#end & (RECORDS - 1);
    const at = place * (RECORD_BYTES / 4);
    this.#indices[place * (RECORD_BYTES / 8)] = index;
    this.#words[at + KIND] = kind;
    this.#words[at + VALUES] = a;
    this.#words[at + VALUES + 1] = b;
    this.#words[at + VALUES + 2] = c;
    this.#words[at + VALUES + 3] = d;
    this.#end = (this.#end + 1) >>> 0;
  }

  commit(): void {
    // Atomic, so that no store of a record comes later.
    Atomics.store(this.#head, END, this.#end);
  }

  /** The changes before a mark are on the disk. */
  cut(mark: number): void {
    this.#begin = mark;
    Atomics.store(this.#head, BEGIN, mark);
  }

  /** Takes all records from a mark on back. */
  rewind(mark: number): void {
    this.#end = mark;
    this.commit();
  }

  /** The records that are there, the oldest first. */
  *records(): Generator<RedoRecord> {
    for (let number = this.#begin; number !== this.#end; number = (number + 1) >>> 0) {
      const place = number & (RECORDS - 1);
      const at = place * (RECORD_BYTES / 4);
      const [a, b, c, d] = this.#words.subarray(at + VALUES, at + VALUES + 4);
      const index = this.#indices[place * (RECORD_BYTES / 8)]!;
      yield { kind: this.#words[at + KIND]!, index, values: [a!, b!, c!, d!] };
    }
  }
}
