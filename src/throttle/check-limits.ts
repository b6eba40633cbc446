import { EXIT_USAGE, SluiceError } from '../util/errors.js';
import type { Limits } from './limits.js';

/** Largest rate; QEMU's THROTTLE_VALUE_MAX. */
export const MAX_RATE = 1e15;

/**
 * Checks limits that come from code, the last line of defence behind the parser.
 * Throws EINVAL for a rate that is no positive number, ERANGE above 10^15.
 */
export function checkLimits(limits: Partial<Limits>): void {
  for (const [key, value] of Object.entries(limits)) {
    const least = key === 'iopsSize' ? 0 : Number.MIN_VALUE;
    if (!(value >= least)) {
      throw new SluiceError(`${key}=${value}: not a rate above 0`, 'EINVAL', EXIT_USAGE);
    }
    const isMax = value === Infinity && key !== 'iopsSize';
    if (value > MAX_RATE && !isMax) {
      throw new SluiceError(`${key}=${value}: above the largest, 10^15`, 'ERANGE', EXIT_USAGE);
    }
  }
}
