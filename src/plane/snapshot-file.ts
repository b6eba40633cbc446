import { readSync, writeSync } from 'node:fs';
import { deserialize, serialize } from 'node:v8';

/** Two places in turn: while one is written, the other one is whole. Memory is taken only where bytes are. */
const PLACE_BYTES = 2 ** 32;
/** Before the bytes: number and length, u32 each. */
const HEAD_BYTES = 8;

/** A write to a file, as writeSync of Node.js. */
export type WriteAt = (
  descriptor: number,
  bytes: Uint8Array | Uint32Array,
  offset: number,
  length: number,
  position: number,
) => number;

/**
 * The newest value of a process, in a file in memory that outlives the process. Whenever the process dies, another one reads
 * the last value that was written completely.
 */
export class SnapshotFile {
  readonly #descriptor: number;
  readonly #writeAt: WriteAt;
  #number: number;

  /** @param descriptor a memfd, which may have values already */
  constructor(descriptor: number, writeAt: WriteAt = writeSync) {
    this.#descriptor = descriptor;
    this.#writeAt = writeAt;
    this.#number = Math.max(this.#head(0).number, this.#head(1).number);
  }

  /** @param value plain data */
  write(value: unknown): void {
    const bytes = serialize(value);
    const at = (++this.#number & 1) * PLACE_BYTES;
    this.#writeAt(this.#descriptor, bytes, 0, bytes.length, at + HEAD_BYTES);
    // Last, and in one page, so all of it or nothing is there: it makes this place the newest.
    const head = Uint32Array.of(this.#number, bytes.length);
    this.#writeAt(this.#descriptor, head, 0, HEAD_BYTES, at);
  }

  /** Null: there is none. */
  read(): unknown {
    if (this.#number === 0) return null;
    const place = this.#number & 1;
    const bytes = Buffer.alloc(this.#head(place).length);
    readSync(this.#descriptor, bytes, 0, bytes.length, place * PLACE_BYTES + HEAD_BYTES);
    return deserialize(bytes);
  }

  /** Zeros for a place that has never been written. */
  #head(place: number): { number: number; length: number } {
    const head = new Uint32Array(2);
    readSync(this.#descriptor, head, 0, HEAD_BYTES, place * PLACE_BYTES);
    return { number: head[0]!, length: head[1]! };
  }
}
