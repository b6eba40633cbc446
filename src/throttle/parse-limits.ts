import { EXIT_USAGE, SluiceError } from '../util/errors.js';
import { decimalUnitHint, parseCount, parseSize } from '../util/units.js';
import { MAX_RATE } from './check-limits.js';
import { type Limits, NO_LIMITS } from './limits.js';

/** A key of `io.max`: where its value belongs and how it is written. */
interface Key {
  readonly word: string;
  readonly field: keyof Limits;
  readonly parse: (text: string) => number;
  readonly expected: string;
}

const BYTES = 'a number of bytes per second such as 512K or 10M, or max';
const COUNT = 'a number of requests per second such as 1000 or 10K, or max';
const SIZE = 'a number of bytes such as 4K or 1M, or max';

/** In the order of the line in `io.max`. */
const KEYS: readonly Key[] = [
  { word: 'rbps', field: 'rbps', parse: parseSize, expected: BYTES },
  { word: 'wbps', field: 'wbps', parse: parseSize, expected: BYTES },
  { word: 'bps', field: 'bps', parse: parseSize, expected: BYTES },
  { word: 'riops', field: 'riops', parse: parseCount, expected: COUNT },
  { word: 'wiops', field: 'wiops', parse: parseCount, expected: COUNT },
  { word: 'iops', field: 'iops', parse: parseCount, expected: COUNT },
  { word: 'iops_size', field: 'iopsSize', parse: parseSize, expected: SIZE },
];

/**
 * Parses limits as they stand in `--group NAME:rbps=10M,iops=1000` and in `io.max`: words KEY=VALUE
 * with spaces, newlines or commas between them. Bytes take powers of 1024, requests powers of 1000;
 * `max` means no limit. Only the keys that are given are in the result.
 *
 * @throws SluiceError EINVAL (no words, unknown or double key, no such value), ERANGE (above 10^15);
 *   exit code 2
 */
export function parseLimits(text: string): Partial<Limits> {
  const limits: Partial<Limits> = {};
  const words = text.split(/[\s,]+/).filter((word) => word !== '');
  if (words.length === 0) throw refuse(`no limits given; write for instance iops=1000`, 'EINVAL');
  for (const word of words) {
    const key = keyOf(word);
    if (key.field in limits) throw refuse(`${word}: ${key.word} is given twice`, 'EINVAL');
    limits[key.field] = valueIn(word, key);
  }
  return limits;
}

/** The line of `io.max`, in plain numbers: `rbps=1048576 wbps=max ... iops_size=max`. */
export function formatLimits(limits: Limits): string {
  const words = KEYS.map(({ word, field }) => {
    const value = limits[field];
    return `${word}=${value === NO_LIMITS[field] ? 'max' : value}`;
  });
  return words.join(' ');
}

function keyOf(word: string): Key {
  const equals = word.indexOf('=');
  if (equals === -1) throw refuse(`${word}: expected KEY=VALUE such as iops=1000`, 'EINVAL');
  const name = word.slice(0, equals);
  const key = KEYS.find((one) => one.word === name);
  if (key !== undefined) return key;
  const known = KEYS.map((one) => one.word).join(', ');
  throw refuse(`${word}: there is no limit "${name}"; the limits are ${known}`, 'EINVAL');
}

function valueIn(word: string, key: Key): number {
  const text = word.slice(word.indexOf('=') + 1);
  if (text === 'max') return NO_LIMITS[key.field];
  const value = parseValue(word, text, key);
  if (value === 0) throw refuse(`${word}: expected ${key.expected}`, 'EINVAL');
  if (value > MAX_RATE) throw tooLarge(word);
  return value;
}

function parseValue(word: string, text: string, key: Key): number {
  try {
    return key.parse(text);
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    if (error.errno === 'ERANGE') throw tooLarge(word);
    throw refuse(`${word}: ${decimalUnitHint(text) ?? `expected ${key.expected}`}`, 'EINVAL');
  }
}

function tooLarge(word: string): SluiceError {
  return refuse(`${word}: above the largest limit, 10^15; use max for no limit`, 'ERANGE');
}

function refuse(message: string, errno: string): SluiceError {
  return new SluiceError(message, errno, EXIT_USAGE);
}
