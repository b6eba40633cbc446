import type { Random } from '../exerciser/random.js';
import type { Target } from './target.js';

/** Numbers at which code changes its mind: signs, powers of two and their neighbours. */
const EDGES = [0, 1, 2, 0x7f, 0x80, 0xff, 0x1000, 0x7fff, 0xffff, 2 ** 20, 2 ** 31, 2 ** 32 - 1];
/** Half of the changes are within this many bytes from the beginning, where headers are. */
const HEAD_BYTES = 160;
const CHANGES_MAX = 6;
/** Longest piece that is copied, inserted or removed, bytes. */
const PIECE_MAX = 64;

type Change = (input: Buffer, at: number, random: Random, material: Material) => Buffer;

/** What changes are made of. */
interface Material {
  words: readonly Buffer[];
  /** Another input of the corpus. */
  other: Buffer;
}

function replaced(input: Buffer, at: number, piece: Uint8Array): Buffer {
  input.set(piece.subarray(0, input.length - at), at);
  return input;
}

function inserted(input: Buffer, at: number, piece: Uint8Array): Buffer {
  return Buffer.concat([input.subarray(0, at), piece, input.subarray(at)]);
}

/** A piece of an input. */
function pieceOf(input: Buffer, random: Random): Buffer {
  const from = random.below(input.length);
  return input.subarray(from, from + 1 + random.below(PIECE_MAX));
}

function wordOf({ words }: Material, random: Random): Buffer {
  return words[random.below(words.length)]!;
}

/** A number of 1, 2, 4 or 8 bytes, in either order of bytes. */
function numberOf(random: Random): Buffer {
  const bytes = Buffer.alloc(8);
  const value = EDGES[random.below(EDGES.length)]! - (random.oneIn(4) ? 1 : 0);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)));
  const part = bytes.subarray(0, 2 ** random.below(4));
  return random.oneIn(2) ? part : part.reverse();
}

/** Changes that leave the rest in its place. */
const IN_PLACE: readonly Change[] = [
  (input, at, random) => replaced(input, at, Buffer.of(random.below(256))),
  (input, at, random) => replaced(input, at, Buffer.of(input[at]! ^ (1 << random.below(8)))),
  (input, at, random) => replaced(input, at, numberOf(random)),
  (input, at, random, material) => replaced(input, at, wordOf(material, random)),
  (input, at, random) => replaced(input, at, Buffer.from(pieceOf(input, random))),
];

/** Changes that move what follows. */
const MOVING: readonly Change[] = [
  (input, at, random, material) => inserted(input, at, wordOf(material, random)),
  (input, at, random) => inserted(input, at, pieceOf(input, random)),
  (input, at, random, { other }) => inserted(input, at, pieceOf(other, random)),
  (input, at, random) => {
    const end = at + 1 + random.below(PIECE_MAX);
    return Buffer.concat([input.subarray(0, at), input.subarray(end)]);
  },
  (input, at, random, { other }) => {
    const from = random.below(other.length);
    return Buffer.concat([input.subarray(0, at), other.subarray(from)]);
  },
];

/** Makes a new input of one of the corpus. */
export function mutate(
  { fixed, longest, mutate: own }: Target,
  from: Buffer,
  material: Material,
  random: Random,
): Buffer {
  if (own !== undefined && random.oneIn(2)) return own(from, random);
  const changes = fixed ? IN_PLACE : [...IN_PLACE, ...MOVING];
  let input = Buffer.from(from);
  const count = 1 + random.below(CHANGES_MAX);
  for (let i = 0; i < count; i++) {
    const span = random.oneIn(2) ? Math.min(HEAD_BYTES, input.length) : input.length;
    const change = changes[random.below(changes.length)]!;
    input = change(input, random.below(span), random, material) as Buffer<ArrayBuffer>;
  }
  if (random.oneIn(16)) input = input.subarray(0, random.below(input.length));
  return input.subarray(0, longest);
}
