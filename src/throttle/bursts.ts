import { refuse } from '../util/errors.js';
import { type Limits, MAX_RATE, ofAllRates, RATES, type RateKey } from './limits.js';

/** A faster rate, per second, that a group may keep up for some seconds after it was idle. */
export interface Burst {
  readonly rate: number;
  readonly seconds: number;
}

/** The keys of `io.burst`: QEMU's `-max` and `-max-length`. Null: no burst. */
export type Bursts = Record<RateKey, Burst | null>;

/** A group without bursts. */
export const NO_BURSTS: Readonly<Bursts> = ofAllRates(null);

/** Longest burst in seconds: an hour. A longer one is a limit of its own. */
export const MAX_BURST_SECONDS = 3600;

/**
 * Checks bursts against the limits of the same group.
 * Throws EINVAL (no plain limit, a rate below it, seconds not above 0), ERANGE (rate
 * above 10^15, seconds above an hour).
 */
export function checkBursts(bursts: Partial<Bursts>, limits: Limits): void {
  for (const key of RATES) {
    const burst = bursts[key];
    if (burst === null || burst === undefined) continue;
    const what = `${key}=${burst.rate}/${burst.seconds}`;
    if (limits[key] === Infinity) {
      throw refuse(`${what}: a burst needs the plain limit; set ${key} in io.max first`, 'EINVAL');
    }
    if (!(burst.rate >= limits[key])) {
      throw refuse(`${what}: below the plain limit, ${limits[key]}`, 'EINVAL');
    }
    if (!(burst.seconds > 0)) throw refuse(`${what}: the seconds are not above 0`, 'EINVAL');
    if (burst.rate > MAX_RATE) throw refuse(`${what}: above the largest rate, 10^15`, 'ERANGE');
    if (burst.seconds > MAX_BURST_SECONDS) {
      throw refuse(`${what}: longer than ${MAX_BURST_SECONDS} s`, 'ERANGE');
    }
  }
}
