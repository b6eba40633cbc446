import { EXIT_USAGE, SluiceError } from './errors.js';

const SIZE_LETTERS = 'KMGTPE';
const COUNT_LETTERS = 'KMGT';

/** Digits, an optional decimal part, an optional unit: `512`, `1.5G`, `10 MiB`. */
const NUMBER = /^([0-9]+)(?:\.([0-9]+))? ?([A-Za-z]*)$/;

const SIZE_HELP = 'write bytes as 512, 4K, 10M, 1.5G or 10MiB';
const COUNT_HELP = 'write a count as 500, 1k or 2.5M';

function refuse(text: string, what: string, errno: 'EINVAL' | 'ERANGE'): SluiceError {
  return new SluiceError(`"${text}" ${what}`, errno, EXIT_USAGE);
}

/** Multiplies in integers, so that 1.1M is exact. Throws if the result is not a whole number. */
function scale(text: string, whole: string, part: string, factor: bigint, help: string): number {
  const divisor = 10n ** BigInt(part.length);
  const product = BigInt(whole + part) * factor;
  if (product % divisor !== 0n) throw refuse(text, `is not a whole number; ${help}`, 'EINVAL');
  const value = product / divisor;
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw refuse(text, 'is too large', 'ERANGE');
  return Number(value);
}

/** Power of a unit in `letters`: 0 for none, 1 for K, ...; -1 if there is no such unit. */
function powerOf(letter: string, letters: string): number {
  if (letter === '') return 0;
  if (letter.length !== 1) return -1;
  const index = letters.indexOf(letter.toUpperCase());
  return index < 0 ? -1 : index + 1;
}

/**
 * Bytes from text: powers of 1024 by K M G T P E or KiB MiB ..., either case; a plain `B` is
 * accepted. A decimal such as `1.5G` must come to a whole number.
 *
 * @throws SluiceError EINVAL for a malformed text, ERANGE above 2^53 - 1; exit code 2.
 */
export function parseSize(text: string): number {
  const match = NUMBER.exec(text);
  if (match === null) throw refuse(text, `is not a size; ${SIZE_HELP}`, 'EINVAL');
  const [, whole, part = '', unit] = match as unknown as [string, string, string?, string?];
  // KB is refused: to many it means 1000 bytes.
  const power = powerOf((unit ?? '').replace(/(?<=^[A-Za-z])i[Bb]$|^[Bb]$/, ''), SIZE_LETTERS);
  if (power < 0) throw refuse(text, `has an unknown unit; ${SIZE_HELP}`, 'EINVAL');
  return scale(text, whole, part, 1024n ** BigInt(power), SIZE_HELP);
}

/**
 * A count, for instance of requests, from text: powers of 1000 by k M G T, either case. A decimal
 * such as `2.5k` must come to a whole number.
 *
 * @throws SluiceError EINVAL for a malformed text, ERANGE above 2^53 - 1; exit code 2.
 */
export function parseCount(text: string): number {
  const match = NUMBER.exec(text);
  if (match === null) throw refuse(text, `is not a count; ${COUNT_HELP}`, 'EINVAL');
  const [, whole, part = '', unit] = match as unknown as [string, string, string?, string?];
  const power = powerOf(unit ?? '', COUNT_LETTERS);
  if (power < 0) throw refuse(text, `has an unknown unit; ${COUNT_HELP}`, 'EINVAL');
  return scale(text, whole, part, 1000n ** BigInt(power), COUNT_HELP);
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

/** Largest size of an image and of a host file, bytes: offsets up to the next sector are exact numbers. */
export const SIZE_MAX = Number.MAX_SAFE_INTEGER - 511;
