// Memory that is used again. New memory takes longer than all that a run does with it: the kernel must
// fill it with zeros, and the garbage collector runs more often.

/** By its size. */
const spare = new Map<number, Buffer[]>();
const LEAST_BYTES = 4096;

/** Memory for `length` bytes or more, with any bytes in it. */
export function take(length: number): Buffer {
  const size = 2 ** Math.ceil(Math.log2(Math.max(length, LEAST_BYTES)));
  return spare.get(size)?.pop() ?? Buffer.allocUnsafeSlow(size);
}

/** The memory is used no more. */
export function giveBack(memory: Buffer): void {
  const others = spare.get(memory.length);
  if (others === undefined) spare.set(memory.length, [memory]);
  else others.push(memory);
}

const CHUNK_BYTES = 8 << 20;
/** A session that needs more gets the rest from the garbage collector. */
const CHUNKS_MAX = 32;
const chunks: Buffer[] = [];
let chunk = 0;
let used = 0;

/** Memory for exactly `length` bytes until `endSession`, with any bytes in it. */
export function takeForSession(length: number): Buffer {
  if (used + length > CHUNK_BYTES) {
    chunk++;
    used = 0;
  }
  if (length > CHUNK_BYTES || chunk >= CHUNKS_MAX) return Buffer.allocUnsafe(length);
  chunks[chunk] ??= Buffer.allocUnsafeSlow(CHUNK_BYTES);
  const memory = chunks[chunk]!.subarray(used, used + length);
  used += Math.ceil(length / 8) * 8;
  return memory;
}

/** All that was taken for the session is used no more. */
export function endSession(): void {
  chunk = 0;
  used = 0;
}
