import { refuse } from '../util/errors.js';

/** Keys of `io.max` that are rates per second. `bps` and `iops` bound reads and writes together. */
export const RATES = ['rbps', 'wbps', 'bps', 'riops', 'wiops', 'iops'] as const;
export type RateKey = (typeof RATES)[number];

/** The same value for every rate. */
export function ofAllRates<T>(value: T): Record<RateKey, T> {
  return { rbps: value, wbps: value, bps: value, riops: value, wiops: value, iops: value };
}

/** Absolute limits of one group: the keys of `io.max`. `Infinity` is written `max` and means no limit. */
export interface Limits extends Record<RateKey, number> {
  /** Bytes that count as one request for the iops limits; a larger request counts as several. 0: off. */
  iopsSize: number;
}

/** A group without limits. */
export const NO_LIMITS: Readonly<Limits> = { ...ofAllRates(Infinity), iopsSize: 0 };

/** The same limits, each rate no more than `capOf` says for it. */
export function cappedLimits(
  limits: Readonly<Limits>,
  capOf: (key: RateKey, limit: number) => number,
): Limits {
  const capped = { ...limits };
  for (const key of RATES) capped[key] = Math.min(limits[key], capOf(key, limits[key]));
  return capped;
}

/** Largest rate; QEMU's THROTTLE_VALUE_MAX. */
export const MAX_RATE = 1e15;

/**
 * Checks limits that come from code, as a second line of defence behind the parser.
 * Throws EINVAL for a rate that is not a number above 0, ERANGE above 10^15.
 */
export function checkLimits(limits: Partial<Limits>): void {
  for (const [key, value] of Object.entries(limits)) {
    const least = key === 'iopsSize' ? 0 : Number.MIN_VALUE;
    if (!(value >= least)) throw refuse(`${key}=${value}: not a rate above 0`);
    const isMax = value === Infinity && key !== 'iopsSize';
    if (value > MAX_RATE && !isMax) {
      throw refuse(`${key}=${value}: above the largest, 10^15`, 'ERANGE');
    }
  }
}
