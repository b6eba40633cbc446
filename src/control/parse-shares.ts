import { MAX_RATE } from '../throttle/check-limits.js';
import { COST_MODELS, type CostModel } from '../throttle/cost.js';
import { MAX_DEPTH, type Minimum } from '../throttle/shares.js';
import { parseCount, parseSize } from '../util/units.js';
import { inWord, parsePairs, refuse } from './parse-pairs.js';

/** Largest weight; that of cgroup v2. */
const MAX_WEIGHT = 10_000;

/** Longest latency target, microseconds: what takes a minute is no target but a fault. */
const MAX_TARGET_US = 60_000_000;

const NS_PER_US = 1000;

/** A whole number from 1 to `max`. Throws EINVAL for what is none, ERANGE outside. */
function parseWhole(what: string, text: string, max: number): number {
  if (!/^[0-9]+$/.test(text)) throw refuse(`${what} "${text}": expected a number from 1 to ${max}`);
  const value = Number(text);
  if (value < 1 || value > max) throw refuse(`${what} ${text}: not from 1 to ${max}`, 'ERANGE');
  return value;
}

/** `io.weight`: `80` or `default 80`, 1 to 10000. Throws EINVAL, ERANGE. */
export function parseWeight(text: string): number {
  return parseWhole('weight', text.trim().replace(/^default\s+/, ''), MAX_WEIGHT);
}

/** `io.min`: any of `bps=10M iops=500`; 0 takes a minimum away. Throws EINVAL, ERANGE. */
export function parseMinimum(text: string): Partial<Minimum> {
  const minimum: Partial<Minimum> = {};
  for (const [key, value] of parsePairs(text, ['bps', 'iops'])) {
    const word = `${key}=${value}`;
    const bytes = key === 'bps';
    const expected = bytes ? 'bytes per second such as 10M, or 0' : 'a count such as 500, or 0';
    const rate = inWord(word, expected, () => (bytes ? parseSize(value) : parseCount(value)));
    if (rate > MAX_RATE) throw refuse(`${word}: above the largest rate, 10^15`, 'ERANGE');
    minimum[key as keyof Minimum] = rate;
  }
  return minimum;
}

/** `io.latency`: `target=2000`, microseconds, or `target=2ms`, `target=1s`, `target=max`. In ns. Throws EINVAL, ERANGE. */
export function parseLatency(text: string): number {
  const target = parsePairs(text, ['target']).get('target')!;
  if (target === 'max') return Infinity;
  const [, digits = target, unit = 'us'] = /^([0-9]{1,9})(us|ms|s)$/.exec(target) ?? [];
  const scaled = /^[0-9]+$/.test(digits) ? String(Number(digits) * US_PER_UNIT[unit]!) : target;
  return parseWhole('target', scaled, MAX_TARGET_US) * NS_PER_US;
}

const US_PER_UNIT: Readonly<Record<string, number>> = { us: 1, ms: 1000, s: 1e6 };

/** `io.depth`: `auto`, or 1 to 4096. Throws EINVAL, ERANGE. */
export function parseDepth(text: string): 'auto' | number {
  const word = text.trim();
  return word === 'auto' ? word : parseWhole('depth', word, MAX_DEPTH);
}

/** `io.cost`: `ios`, `bytes` or `linear`. Throws EINVAL. */
export function parseCost(text: string): CostModel {
  const model = COST_MODELS.find((one) => one === text.trim());
  if (model !== undefined) return model;
  throw refuse(`cost "${text.trim()}": expected one of ${COST_MODELS.join(', ')}`);
}
