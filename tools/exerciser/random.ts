/** 2^32 over the golden ratio, odd: steps through all 32-bit states before one comes back. */
const STEP = 0x9e3779b9;

/** Spreads every bit of a 32-bit number over all of them (two rounds of multiply and shift). */
function mix(value: number): number {
  let bits = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}

/**
 * Seeded random numbers. Each operation has a stream of its own, so that it does not depend on the
 * operations before it.
 */
export class Random {
  private state: number;

  constructor(seed: number, stream: number) {
    this.state = mix(mix(seed) + Math.imul(stream, STEP));
  }

  /** A number in 0 .. 2^32 - 1. */
  next(): number {
    this.state = (this.state + STEP) >>> 0;
    return mix(this.state);
  }

  /** A whole number in 0 .. bound - 1; 0 where bound is below 1. */
  below(bound: number): number {
    return bound < 1 ? 0 : Math.floor((this.next() / 2 ** 32) * bound);
  }

  /** True once in `times`. */
  oneIn(times: number): boolean {
    return this.below(times) === 0;
  }
}

/** Fills whole memory with noise. */
export function fillRandom(bytes: Buffer, seed: number): void {
  const random = new Random(seed, -1);
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  for (let i = 0; i < words.length; i++) words[i] = random.next();
}
