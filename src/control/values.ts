import { type Burst, MAX_BURST_SECONDS } from '../throttle/bursts.js';
import { COST_MODELS, type CostModel } from '../throttle/cost.js';
import { MAX_RATE } from '../throttle/limits.js';
import { MAX_DEPTH, MAX_WEIGHT } from '../throttle/shares.js';
import { refuse, SluiceError } from '../util/errors.js';
import { decimalUnitHint, parseCount, parseSize } from '../util/units.js';
import type { PerGb } from './sized-limits.js';

/** A kind of value: its bounds, and how it is written. */
export interface ValueType<T> {
  /** Least and largest number; null for a word. */
  readonly range: readonly [number, number] | null;
  /**
   * @param word The word that contains the value, for errors: `bps=10M`.
   * @throws SluiceError EINVAL, ERANGE; exit code 2.
   */
  parse(text: string, word: string): T;
  format(value: T): string;
}

/** Units of rates and sizes: bytes take powers of 1024, requests powers of 1000. */
const UNITS = {
  bytes: { parse: parseSize, expected: 'a number of bytes such as 4K or 1M' },
  'bytes per second': {
    parse: parseSize,
    expected: 'a number of bytes per second such as 512K or 10M',
  },
  'requests per second': {
    parse: parseCount,
    expected: 'a number of requests per second such as 1000 or 10K',
  },
} as const;

type Unit = keyof typeof UNITS;

export const unitOf = (rate: string): Unit =>
  rate.endsWith('iops') ? 'requests per second' : 'bytes per second';

const LARGEST_RATE = 'above the largest rate, 10^15';

/** A limit: a rate or a size above 0, or `max`, which is the value `none`. */
export function limit(unit: Unit, none: number): ValueType<number> {
  const expected = `${UNITS[unit].expected}, or max`;
  const tooLarge = 'above the largest limit, 10^15; use max for no limit';
  return {
    range: [1, MAX_RATE],
    parse(text, word) {
      if (text === 'max') return none;
      const value = parseAmount(text, unit, word, expected, tooLarge);
      if (value === 0) throw refuse(`${word}: expected ${expected}`);
      return value;
    },
    format: (value) => (value === none ? 'max' : String(value)),
  };
}

/** A rate that a group gets first; 0 for none. */
export function minimum(unit: Unit): ValueType<number> {
  const expected = `${UNITS[unit].expected}, or 0`;
  return {
    range: [0, MAX_RATE],
    parse: (text, word) => parseAmount(text, unit, word, expected, LARGEST_RATE),
    format: String,
  };
}

/** RATE/SECONDS, the seconds perhaps with a decimal part; null is `max`, no burst. */
export function burst(unit: Unit): ValueType<Burst | null> {
  const expected = 'RATE/SECONDS such as bps=400M/10 or iops=4000/5, or max for no burst';
  return {
    range: [1, MAX_RATE],
    parse(text, word) {
      if (text === 'max') return null;
      const [, rateText, secondsText] = /^(.+)\/([0-9]{1,9}(?:\.[0-9]{1,9})?)$/.exec(text) ?? [];
      if (rateText === undefined) throw refuse(`${word}: expected ${expected}`);
      const rate = parseAmount(rateText, unit, word, expected, LARGEST_RATE);
      const seconds = Number(secondsText);
      if (rate === 0 || seconds === 0) throw refuse(`${word}: expected ${expected}`);
      if (seconds <= MAX_BURST_SECONDS) return { rate, seconds };
      throw refuse(`${word}: longer than ${MAX_BURST_SECONDS} seconds`, 'ERANGE');
    },
    format: (value) => (value === null ? 'max' : `${value.rate}/${value.seconds}`),
  };
}

/** RATE or RATE/MINIMUM for each GiB; null is `max`, a limit that does not grow. */
export function perGb(unit: Unit): ValueType<PerGb | null> {
  const example = unit === 'requests per second' ? '10 or 10/500' : '1M or 1M/20M';
  const expected = `RATE or RATE/MINIMUM such as ${example}, or max for no limit that grows`;
  return {
    range: [1, MAX_RATE],
    parse(text, word) {
      if (text === 'max') return null;
      const [rateText = '', minimumText, ...more] = text.split('/');
      if (more.length > 0) throw refuse(`${word}: expected ${expected}`);
      const amount = (one: string): number => parseAmount(one, unit, word, expected, LARGEST_RATE);
      const rate = amount(rateText);
      if (rate === 0) throw refuse(`${word}: expected ${expected}`);
      return { rate, minimum: minimumText === undefined ? 0 : amount(minimumText) };
    },
    format(value) {
      if (value === null) return 'max';
      return value.minimum === 0 ? String(value.rate) : `${value.rate}/${value.minimum}`;
    },
  };
}

/** `80`, or `default 80` as cgroup v2 writes it. */
export const WEIGHT: ValueType<number> = {
  range: [1, MAX_WEIGHT],
  parse: (text, word) => parseWhole(text.trim().replace(/^default\s+/, ''), word, MAX_WEIGHT),
  format: String,
};

export const NS_PER_US = 1000;
export const US_PER_UNIT: Readonly<Record<string, number>> = { us: 1, ms: 1000, s: 1e6 };
/** Longest latency target, microseconds: a latency of a minute is a fault, not a target. */
const MAX_TARGET_US = 60_000_000;
const TIME =
  'a whole number of microseconds, or one with us, ms or s such as 1500us or 2ms, or max';

/** A time in ns, written in microseconds or as `2ms`, `1s`; `max` is Infinity, no target. */
export const LATENCY: ValueType<number> = {
  range: [1, MAX_TARGET_US],
  parse(text, word) {
    if (text === 'max') return Infinity;
    return parseTime(text, word, MAX_TARGET_US, TIME) * NS_PER_US;
  },
  format: (value) => (value === Infinity ? 'max' : String(value / NS_PER_US)),
};

export const DEPTH = {
  range: [1, MAX_DEPTH],
  parse(text, word) {
    const depth = text.trim();
    if (depth === 'auto') return depth;
    return parseWhole(depth, word, MAX_DEPTH, `auto, or a number from 1 to ${MAX_DEPTH}`);
  },
  format: String,
} as const satisfies ValueType<'auto' | number>;

export const COST: ValueType<CostModel> = {
  range: null,
  parse(text, word) {
    const model = COST_MODELS.find((one) => one === text.trim());
    if (model !== undefined) return model;
    throw refuse(`${word}: expected one of ${COST_MODELS.join(', ')}`);
  },
  format: String,
};

/** Microseconds from 1 to `maxUs`, written as a number or as `2ms`, `1s`. Throws EINVAL, ERANGE. */
function parseTime(text: string, word: string, maxUs: number, expected: string): number {
  const [, digits = text, unit = 'us'] = /^([0-9]{1,9})(us|ms|s)$/.exec(text) ?? [];
  const scaled = /^[0-9]+$/.test(digits) ? String(Number(digits) * US_PER_UNIT[unit]!) : text;
  return parseWhole(scaled, word, maxUs, expected);
}

/** A whole number from 1 to `max`. Throws EINVAL for another text, ERANGE outside. */
function parseWhole(
  text: string,
  word: string,
  max: number,
  expected = `a number from 1 to ${max}`,
): number {
  if (!/^[0-9]+$/.test(text)) throw refuse(`${word}: expected ${expected}`);
  const value = Number(text);
  if (value < 1 || value > max) throw refuse(`${word}: not from 1 to ${max}`, 'ERANGE');
  return value;
}

function parseAmount(
  text: string,
  unit: Unit,
  word: string,
  expected: string,
  tooLarge: string,
): number {
  try {
    const amount = UNITS[unit].parse(text);
    if (amount <= MAX_RATE) return amount;
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    if (error.errno === 'EINVAL') {
      const hint = unit === 'requests per second' ? null : decimalUnitHint(text);
      throw refuse(`${word}: ${hint ?? `expected ${expected}`}`);
    }
  }
  throw refuse(`${word}: ${tooLarge}`, 'ERANGE');
}
