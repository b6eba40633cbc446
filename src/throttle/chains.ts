import { BUCKETS, type Buckets, KINDS_OF_CLASS } from './buckets.js';
import type { Group } from './group.js';

/** Lanes of a group: lane number = group number * LANES + class. */
export const LANES = 2;

/**
 * For each lane (a group's reads, a group's writes) the buckets that its requests must pass: those
 * with a limit, at the group and at all groups above it. Rebuilt on the control path, so that the
 * data path reads one number to know that a group has no limits at all.
 */
export class Chains {
  /** The buckets of lane L are at `buckets[start[L]]` up to, not including, `buckets[end[L]]`. */
  start = new Int32Array(0);
  end = new Int32Array(0);
  buckets = new Int32Array(0);

  /** `groups` by number, null where a number is not in use. */
  rebuild(groups: readonly (Group | null)[], buckets: Buckets): void {
    const found: number[] = [];
    this.start = new Int32Array(groups.length * LANES);
    this.end = new Int32Array(groups.length * LANES);
    for (let lane = 0; lane < this.start.length; lane++) {
      this.start[lane] = found.length;
      for (let at = groups[Math.floor(lane / LANES)]; at !== null; at = at.parent) {
        for (const kind of KINDS_OF_CLASS[lane % LANES]) {
          const bucket = at.id * BUCKETS + kind;
          if (buckets.isLimited(bucket)) found.push(bucket);
        }
      }
      this.end[lane] = found.length;
    }
    this.buckets = Int32Array.from(found);
  }
}
