/** Bytes that are written as a whole, and so are old or new as a whole. */
export const SECTOR = 512;

/** The generation of a sector of zeros. */
export const ZEROS = 0;
/** The generation of a sector that nobody has written like this: torn, misplaced, or of another image. */
export const BROKEN = 0xffff_ffff;

const WORDS = SECTOR / 4;
/** A sector repeats a few words, so that a compressed cluster is small and a torn sector is seen. */
const PATTERN = 8;

/** A word of the pattern; word 0 is the generation itself. */
function wordOf(image: number, sector: number, generation: number, index: number): number {
  if (index === 0) return generation;
  let bits =
    generation ^ Math.imul(sector, 0x9e3779b1) ^ Math.imul(image * PATTERN + index, 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 15), 0xc2b2ae35);
  return (bits ^ (bits >>> 13)) >>> 0;
}

/** Sectors as words. The bytes must begin at a multiple of 4 in their memory. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);
}

/**
 * Fills whole sectors with what only this image has at this place in this generation.
 *
 * @param first number of the first sector in the image
 */
export function stamp(bytes: Uint8Array, image: number, first: number, generation: number): void {
  const words = wordsOf(bytes);
  if (generation === ZEROS) {
    words.fill(0);
    return;
  }
  for (let at = 0; at < words.length; at += WORDS) {
    const sector = first + at / WORDS;
    for (let i = 0; i < PATTERN; i++) words[at + i] = wordOf(image, sector, generation, i);
    for (let i = PATTERN; i < WORDS; i++) words[at + i] = words[at + i - PATTERN];
  }
}

function generationAt(words: Uint32Array, at: number, image: number, sector: number): number {
  const generation = words[at];
  for (let i = PATTERN; i < WORDS; i++)
    if (words[at + i] !== words[at + i - PATTERN]) return BROKEN;
  for (let i = 1; i < PATTERN; i++) {
    const expected = generation === ZEROS ? 0 : wordOf(image, sector, generation, i);
    if (words[at + i] !== expected) return BROKEN;
  }
  return generation;
}

/** The generation of each sector in `bytes`. */
export function generationsOf(bytes: Uint8Array, image: number, first: number): Uint32Array {
  const words = wordsOf(bytes);
  const found = new Uint32Array(words.length / WORDS);
  for (let i = 0; i < found.length; i++) {
    found[i] = generationAt(words, i * WORDS, image, first + i);
  }
  return found;
}
