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
 * The times that some parts of all requests did not exceed, microseconds: between the ends of their buckets as
 * far as the request is among those of the bucket. 0 without requests.
 *
 * @param parts 0.99 for the 99th percentile; in ascending order.
 * @param counts Requests of each bucket.
 * @param total Of all requests; those that are in no bucket took no time.
 */
export function percentiles(
  parts: readonly number[],
  counts: Float64Array,
  total: number,
): number[] {
  const found = parts.map(() => 0);
  const counted = counts.reduce((sum, count) => sum + count, 0);
  let before = total - counted;
  let next = 0;
  const rank = (): number => Math.max(1, Math.ceil(parts[next]! * total));
  while (next < parts.length && before >= rank()) next++;
  for (let bucket = 0; bucket < BUCKETS && next < parts.length; bucket++) {
    const count = counts[bucket]!;
    if (count === 0) continue;
    const first = startOf(bucket);
    const width = startOf(bucket + 1) - 1 - first;
    for (; next < parts.length && before + count >= rank(); next++) {
      found[next] = first + Math.round((width * (rank() - before)) / count);
    }
    before += count;
  }
  return found;
}
