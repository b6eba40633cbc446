import { EXIT_USAGE, SluiceError } from './errors.js';

/** Digits, an optional decimal part, an optional unit: `512`, `1.5G`, `10 MiB`. */
const NUMBER = /^([0-9]+)(?:\.([0-9]+))? ?([A-Za-z]*)$/;

/** A kind of number with units. */
interface Kind {
  readonly name: string;
  readonly help: string;
  readonly base: bigint;
  /** The letters of the units: powers 1, 2, ... of the base. */
  readonly letters: string;
  /** Texts that may follow a letter, or stand for no unit. */
  readonly suffix: RegExp;
}

const SIZE: Kind = {
  name: 'size',
  help: 'write bytes as 512, 4K, 10M, 1.5G or 10MiB',
  base: 1024n,
  letters: 'KMGTPE',
  // KB is refused: to many it means 1000 bytes.
  suffix: /(?<=^[A-Za-z])i[Bb]$|^[Bb]$/,
};
const COUNT: Kind = {
  name: 'count',
  help: 'write a count as 500, 1k or 2.5M',
  base: 1000n,
  letters: 'KMGT',
  suffix: /$/,
};

function refuse(text: string, what: string, errno: 'EINVAL' | 'ERANGE'): SluiceError {
  return new SluiceError(`"${text}" ${what}`, errno, EXIT_USAGE);
}

function parse(text: string, { name, help, base, letters, suffix }: Kind): number {
  const match = NUMBER.exec(text);
  if (match === null) throw refuse(text, `is not a ${name}; ${help}`, 'EINVAL');
  const [, whole = '', part = '', unit = ''] = match;
  const letter = unit.replace(suffix, '').toUpperCase();
  const power = letter.length > 1 ? 0 : letters.indexOf(letter) + 1;
  if (letter !== '' && power === 0) throw refuse(text, `has an unknown unit; ${help}`, 'EINVAL');
  // In integers, so that 1.1M is exact.
  const product = BigInt(whole + part) * base ** BigInt(letter === '' ? 0 : power);
  const divisor = 10n ** BigInt(part.length);
  if (product % divisor !== 0n) throw refuse(text, `is not a whole number; ${help}`, 'EINVAL');
  const value = product / divisor;
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw refuse(text, 'is too large', 'ERANGE');
  return Number(value);
}

/**
 * Bytes from text: powers of 1024 by K M G T P E or KiB MiB ..., either case; a plain `B` is
 * accepted. A decimal such as `1.5G` must come to a whole number.
 *
 * @throws SluiceError EINVAL for a malformed text, ERANGE above 2^53 - 1; exit code 2.
 */
export function parseSize(text: string): number {
  return parse(text, SIZE);
}

/**
 * A count, for instance of requests, from text: powers of 1000 by k M G T, either case. A decimal
 * such as `2.5k` must come to a whole number.
 *
 * @throws SluiceError EINVAL for a malformed text, ERANGE above 2^53 - 1; exit code 2.
 */
export function parseCount(text: string): number {
  return parse(text, COUNT);
}

/** The reason why a size such as `10MB` is refused, and how to write it; null for any other text. */
export function decimalUnitHint(text: string): string | null {
  const [, number, letter] = /^([0-9.]+) ?([KMGTPE])B$/i.exec(text) ?? [];
  if (number === undefined || letter === undefined) return null;
  const right = `${number}${letter.toUpperCase()}`;
  return `${right}B means powers of 1000 to some; write ${right} or ${right}iB (powers of 1024)`;
}

/** Rounds to one decimal and drops a zero after the point: 1.5, 10. */
function shorten(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function format(value: number, base: number, units: readonly string[]): string {
  let rest = value;
  let power = 0;
  // Compares the rounded value: 1023.96 K is shown as 1 M, not as 1024 K.
  while (power + 1 < units.length && Math.round(rest * 10) / 10 >= base) {
    rest /= base;
    power += 1;
  }
  return `${shorten(rest)}${units[power]}`;
}

/** Bytes for people, rounded to one decimal: `512 B`, `1.5 GiB`; `max` for Infinity. */
export function formatSize(bytes: number): string {
  if (bytes === Infinity) return 'max';
  return format(bytes, 1024, [' B', ' KiB', ' MiB', ' GiB', ' TiB', ' PiB', ' EiB']);
}

/** A count for people, rounded to one decimal: `999`, `1.5k`, `20M`; `max` for Infinity. */
export function formatCount(count: number): string {
  if (count === Infinity) return 'max';
  return format(count, 1000, ['', 'k', 'M', 'G', 'T']);
}

/** A time for people, rounded to one decimal: `0 us`, `85 us`, `2.1 ms`, `90 s`. */
export function formatTime(us: number): string {
  return format(us, 1000, [' us', ' ms', ' s']);
}

/** Largest size of an image and of a host file, bytes: offsets up to the next sector are exact numbers. */
export const SIZE_MAX = Number.MAX_SAFE_INTEGER - 511;
