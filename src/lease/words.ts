import { type Limits, RATES, type RateKey } from '../throttle/limits.js';
import { refuse } from '../util/errors.js';
import { parseCount, parseSize } from '../util/units.js';
import { parseStoreUrl, type StoreTarget } from './address.js';

/** A group whose limit hosts share. Plain data. */
export interface SharedConfig {
  target: StoreTarget;
  /** The part of the limit that holds without a grant; null: an equal part for each host known. */
  safePart: number | null;
  /** Of this host among those of the group. */
  weight: number;
}

export const SHARED_WORDS = ['shared', 'safe', 'shared.weight'] as const;
const WEIGHT_MAX = 10_000;
const WEIGHT_DEFAULT = 100;

/** `safe` is an amount of the first of these that has a limit. */
const SAFE_OF: readonly RateKey[] = ['iops', 'bps', 'riops', 'wiops', 'rbps', 'wbps'];

/**
 * Takes `shared=URL`, `safe=RATE` or `safe=PERCENT%`, and `shared.weight=NUMBER` out of the words of `--group`.
 * `finish` makes the configuration when the limits are known; null without `shared`.
 *
 * @throws SluiceError EINVAL, ERANGE; exit code 2.
 */
export function takeSharedWords(words: readonly string[]): {
  rest: string[];
  finish: (limits: Partial<Limits>) => SharedConfig | null;
} {
  const given = new Map<string, string>();
  const rest: string[] = [];
  for (const word of words) {
    const equals = word.indexOf('=');
    const name = SHARED_WORDS.find((one) => one === word.slice(0, equals));
    if (name === undefined) rest.push(word);
    else if (given.has(name)) throw refuse(`${name} is given twice`);
    else given.set(name, word.slice(equals + 1));
  }
  const url = given.get('shared');
  if (url === undefined) {
    const [stray] = given.keys();
    if (stray !== undefined) throw refuse(`${stray}: goes with shared=URL`);
    return { rest, finish: () => null };
  }
  const target = parseStoreUrl(url);
  const weight = parseWeight(given.get('shared.weight'));
  const finish = (limits: Partial<Limits>): SharedConfig => {
    if (!RATES.some((key) => (limits[key] ?? Infinity) !== Infinity)) {
      throw refuse('shared: there is no limit to share; add one such as iops=20k');
    }
    return { target, weight, safePart: parseSafe(given.get('safe'), limits) };
  };
  return { rest, finish };
}

/** The words that make a configuration again. */
export function sharedWords({
  target,
  weight,
  safePart,
}: SharedConfig): Record<string, string | number> {
  return {
    shared: target.url,
    ...(safePart !== null && { safe: `${Math.max(1e-6, safePart * 100).toFixed(6)}%` }),
    ...(weight !== WEIGHT_DEFAULT && { 'shared.weight': weight }),
  };
}

function parseWeight(text: string | undefined): number {
  if (text === undefined) return WEIGHT_DEFAULT;
  const value = /^[0-9]{1,9}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= WEIGHT_MAX) return value;
  throw refuse(`shared.weight=${text}: expected a number from 1 to ${WEIGHT_MAX}`, 'ERANGE');
}

function parseSafe(text: string | undefined, limits: Partial<Limits>): number | null {
  if (text === undefined) return null;
  const percent = /^([0-9]{1,3}(?:\.[0-9]{1,6})?)%$/.exec(text)?.[1];
  const key = SAFE_OF.find((one) => (limits[one] ?? Infinity) !== Infinity)!;
  const amount = percent === undefined ? parseAmount(text, key) : 0;
  const part = percent === undefined ? amount / limits[key]! : Number(percent) / 100;
  if (part > 0 && part <= 1) return part;
  const range = `above 0, and not above the limit, ${key}=${limits[key]}`;
  throw refuse(`safe=${text}: it has to be ${range}`, 'ERANGE');
}

function parseAmount(text: string, key: RateKey): number {
  try {
    return key.endsWith('iops') ? parseCount(text) : parseSize(text);
  } catch {
    throw refuse(`safe=${text}: expected a rate of ${key}, or a part such as 10%`);
  }
}
