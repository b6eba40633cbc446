/**
 * Log-linear buckets for times in whole microseconds: one for each microsecond up to 16, then eight for
 * each doubling. So a time is known to an eighth of itself, and the number of buckets is fixed. (The
 * scheme is that of HdrHistogram.)
 */

/** Times from here on count as this: 36 minutes. */
export const LONGEST_US = 2 ** 31 - 1;

/** Below this, bucket and microseconds are the same number. */
const LINEAR = 16;

/** Number of the bucket of a time, microseconds from 0 to LONGEST_US. */
export function bucketOf(us: number): number {
  const exponent = 28 - Math.clz32(us | (LINEAR >> 1));
  return (exponent << 3) + (us >>> exponent);
}

/** The shortest time of a bucket, microseconds. The bucket ends where the next one starts. */
export function startOf(bucket: number): number {
  if (bucket < LINEAR) return bucket;
  return ((bucket & 7) + 8) * 2 ** ((bucket >> 3) - 1);
}

export const BUCKETS = bucketOf(LONGEST_US) + 1;

/**
 * The time that a part of all requests did not exceed, microseconds: between the ends of its bucket as
 * far as the request is among those of the bucket. 0 without requests.
 *
 * @param part 0.99 for the 99th percentile.
 * @param counts Requests of each bucket.
 * @param total Sum of the counts.
 */
export function percentile(part: number, counts: Float64Array, total: number): number {
  const rank = Math.max(1, Math.ceil(part * total));
  let before = 0;
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const count = counts[bucket]!;
    if (before + count >= rank) {
      const [first, last] = [startOf(bucket), startOf(bucket + 1) - 1];
      return first + Math.round(((last - first) * (rank - before)) / count);
    }
    before += count;
  }
  return 0;
}
