import { type Mapping, mapAnonymous, unmap } from '../sys/memory.js';

/** Bytes of bits that are given back together. */
const STRETCH_BYTES = 4096;

const BITS_OF: Readonly<Uint8Array> = Uint8Array.from({ length: 256 }, (_, byte) => bitsOf(byte));

function bitsOf(byte: number): number {
  let count = 0;
  for (let rest = byte; rest !== 0; rest &= rest - 1) count++;
  return count;
}

/**
 * Which blocks are in a set: a bit for each, the lowest bit of a byte first. Blocks have numbers below 2^31; ranges are
 * `first` to `end - 1`.
 */
export class BlockSet {
  /** How many blocks it has. */
  count = 0;
  readonly #mapping: Mapping;
  readonly #bytes: Uint8Array;
  /** Stretches that have had a block since the last `reset`, and their numbers. */
  readonly #isTouched: Uint8Array;
  readonly #touched: number[] = [];

  /** @throws SluiceError ENOMEM, exit code 1 */
  constructor(blocks: number) {
    const bytes = Math.max(1, Math.ceil(blocks / 8));
    this.#mapping = mapAnonymous(bytes);
    this.#bytes = new Uint8Array(this.#mapping.buffer, 0, bytes);
    this.#isTouched = new Uint8Array(Math.ceil(bytes / STRETCH_BYTES));
  }

  /** Where the bits are in memory. */
  get address(): number {
    return this.#mapping.address;
  }

  /** Gives its memory back. It is used no more. */
  release(): void {
    unmap(this.#mapping);
  }

  /** Does it have all of a range? */
  hasAll(first: number, end: number): boolean {
    for (let block = first; block < end; block++) if (!this.#has(block)) return false;
    return true;
  }

  /** Does it have any of a range? */
  hasAny(first: number, end: number): boolean {
    for (let block = first; block < end; block++) if (this.#has(block)) return true;
    return false;
  }

  #has(block: number): boolean {
    return (this.#bytes[block >> 3]! & (1 << (block & 7))) !== 0;
  }

  add(first: number, end: number): void {
    if (first >= end) return;
    const last = Math.floor((end - 1) / 8 / STRETCH_BYTES);
    for (let at = Math.floor(first / 8 / STRETCH_BYTES); at <= last; at++) {
      if (this.#isTouched[at] === 0) this.#touched.push(at);
      this.#isTouched[at] = 1;
    }
    this.#change(first, end, true);
  }

  /** @returns How many of them it had. */
  remove(first: number, end: number): number {
    const before = this.count;
    this.#change(first, end, false);
    return before - this.count;
  }

  /** Byte by byte: a range can be as long as a disk. */
  #change(first: number, end: number, isIn: boolean): void {
    const bytes = this.#bytes;
    for (let block = first; block < end; ) {
      const at = block >> 3;
      const next = Math.min(end, 8 * (at + 1));
      const mask = (0xff >> (8 - (next - block))) << (block & 7);
      const before = bytes[at]!;
      const after = isIn ? before | mask : before & ~mask;
      if (after !== before) {
        bytes[at] = after;
        this.count += BITS_OF[after]! - BITS_OF[before]!;
      }
      block = next;
    }
  }

  /** Removes all blocks. */
  reset(): void {
    for (const at of this.#touched) {
      this.#isTouched[at] = 0;
      this.#bytes.fill(0, at * STRETCH_BYTES, (at + 1) * STRETCH_BYTES);
    }
    this.#touched.length = 0;
    this.count = 0;
  }

  /** Takes bits over, from the byte `at` on. */
  load(at: number, bits: Uint8Array): void {
    for (let i = 0; i < bits.length; i++) {
      if (bits[i] === 0) continue;
      const first = 8 * (at + i);
      // All of the byte counts as touched; then it is what it is.
      this.add(first, first + 8);
      this.#bytes[at + i] = bits[i]!;
      this.count += BITS_OF[bits[i]!]! - 8;
    }
  }
}
