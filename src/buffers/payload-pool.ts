import { POOL_BYTES, poolOffset } from './memory.js';

const CHUNK_BYTES = 1 << 20;
const SMALLEST_LOG2 = 12;
const CLASSES = 9; // 4 KiB, 8 KiB … 1 MiB

/**
 * Memory for the payload of WRITEs that wait in a group, so that they do not keep slots. Places have the
 * size of their class, a power of two from 4 KiB to 1 MiB, and are page-aligned. A chunk of 1 MiB belongs
 * to one class while any place in it is in use.
 */
export class PayloadPool {
  /** Places in use in each chunk. */
  readonly #used: Int32Array;
  /** Class of each chunk in use. */
  readonly #class: Int8Array;
  /** A bit for each place in use: a chunk has at most 256 places, of 4 KiB. */
  readonly #bits: Uint32Array;
  /** The chunk in which each class last found room. */
  readonly #hint = new Int32Array(CLASSES).fill(-1);
  #inUse = 0;

  /** @param bytes Whole chunks. */
  constructor(bytes = POOL_BYTES) {
    const chunks = bytes / CHUNK_BYTES;
    this.#used = new Int32Array(chunks);
    this.#class = new Int8Array(chunks);
    this.#bits = new Uint32Array(chunks * 8);
  }

  /** Places in use. */
  get inUse(): number {
    return this.#inUse;
  }

  /** @returns Offset in the memory of a place for `bytes` (1 to 1 MiB); -1 if the pool is full. */
  take(bytes: number): number {
    const wanted = classOf(bytes);
    let chunk = this.#hint[wanted]!;
    if (chunk < 0 || this.#class[chunk] !== wanted || !this.#hasRoom(chunk, wanted)) {
      chunk = this.#findChunk(wanted);
      if (chunk < 0) return -1;
      this.#hint[wanted] = chunk;
      this.#class[chunk] = wanted;
    }
    this.#used[chunk]!++;
    this.#inUse++;
    return poolOffset() + chunk * CHUNK_BYTES + this.#takePlace(chunk) * placeBytes(wanted);
  }

  /** Frees the place at an offset that `take` returned. */
  release(offset: number): void {
    const at = offset - poolOffset();
    const chunk = Math.floor(at / CHUNK_BYTES);
    const place = (at % CHUNK_BYTES) / placeBytes(this.#class[chunk]!);
    this.#bits[chunk * 8 + (place >> 5)]! &= ~(1 << (place & 31));
    this.#used[chunk]!--;
    this.#inUse--;
  }

  #hasRoom(chunk: number, sizeClass: number): boolean {
    return this.#used[chunk]! < CHUNK_BYTES / placeBytes(sizeClass);
  }

  /** A chunk of this class with room, else an unused chunk, else -1. */
  #findChunk(wanted: number): number {
    let unused = -1;
    for (let chunk = 0; chunk < this.#used.length; chunk++) {
      if (this.#used[chunk] === 0) {
        if (unused < 0) unused = chunk;
      } else if (this.#class[chunk] === wanted && this.#hasRoom(chunk, wanted)) {
        return chunk;
      }
    }
    return unused;
  }

  /** Takes the first free place of a chunk with room. */
  #takePlace(chunk: number): number {
    for (let word = chunk * 8; ; word++) {
      const free = ~this.#bits[word]!;
      if (free === 0) continue;
      const bit = 31 - Math.clz32(free & -free);
      this.#bits[word]! |= 1 << bit;
      return (word - chunk * 8) * 32 + bit;
    }
  }
}

function classOf(bytes: number): number {
  return bytes <= 4096 ? 0 : 32 - Math.clz32(bytes - 1) - SMALLEST_LOG2;
}

function placeBytes(sizeClass: number): number {
  return 1 << (sizeClass + SMALLEST_LOG2);
}
