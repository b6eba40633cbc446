import { refuse } from '../util/errors.js';
import { MAX_RATE } from './limits.js';

/** The weight of a new group, as in cgroup v2. */
export const DEFAULT_WEIGHT = 100;
export const MAX_WEIGHT = 10000;

/** The largest window of `io.depth`, in requests in flight. */
export const MAX_DEPTH = 4096;

/** Rates per second that a group gets before weights count: the keys of `io.min`. 0: none. */
export interface Minimum {
  bps: number;
  iops: number;
}

/** Throws EINVAL (not a whole number), ERANGE (not 1 to 10000, the range of cgroup v2). */
export function checkWeight(weight: number): void {
  checkWhole('weight', weight, MAX_WEIGHT);
}

/** Throws EINVAL (not a whole number), ERANGE (not 1 to 4096). */
export function checkDepth(depth: number): void {
  checkWhole('depth', depth, MAX_DEPTH);
}

/** Throws EINVAL (below 0), ERANGE (above 10^15). */
export function checkMinimum(minimum: Partial<Minimum>): void {
  for (const [key, value] of Object.entries(minimum)) {
    if (!(value >= 0)) throw refuse(`${key}=${value}: not a rate from 0`, 'EINVAL');
    if (value > MAX_RATE) throw refuse(`${key}=${value}: above the largest, 10^15`, 'ERANGE');
  }
}

/** Throws EINVAL unless `target` is a time above 0, in ns; Infinity means no target. */
export function checkLatencyTarget(target: number): void {
  if (!(target > 0)) throw refuse(`target=${target}: not a time above 0`, 'EINVAL');
}

function checkWhole(name: string, value: number, max: number): void {
  if (!Number.isInteger(value)) throw refuse(`${name} ${value}: not a whole number`, 'EINVAL');
  if (value < 1 || value > max) throw refuse(`${name} ${value}: not 1 to ${max}`, 'ERANGE');
}
