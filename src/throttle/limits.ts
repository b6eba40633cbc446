import { refuse } from '../util/errors.js';

/**
 * Absolute limits of one group: the keys of `io.max`. Rates are per second; `Infinity` is written
 * `max` and means no limit. `bps` and `iops` bound reads and writes together.
 */
export interface Limits {
  rbps: number;
  wbps: number;
  bps: number;
  riops: number;
  wiops: number;
  iops: number;
  /** Bytes that count as one request for the iops limits; a larger request counts as several. 0: off. */
  iopsSize: number;
}

/** A group without limits. */
export const NO_LIMITS: Readonly<Limits> = {
  rbps: Infinity,
  wbps: Infinity,
  bps: Infinity,
  riops: Infinity,
  wiops: Infinity,
  iops: Infinity,
  iopsSize: 0,
};

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
