import { BUCKETS } from './buckets.js';
import { LANES } from './chains.js';
import { FifoLists, grownInt32 } from './fifo-lists.js';

/**
 * Lanes that wait for an older lane at a bucket, the oldest turn first. They need not be looked at
 * until that one is gone, and then only the oldest: with 256 groups at a shared bucket, looking at
 * all of them cost 87 us a request, and this costs 0.5.
 */
export class Parking {
  private readonly lists = new FifoLists(0, 0);
  private bucketOf = new Int32Array(0);

  /** Makes room; never shrinks. Control path only. */
  grow(groups: number): void {
    this.lists.grow(groups * LANES, groups * BUCKETS);
    this.bucketOf = grownInt32(this.bucketOf, groups * LANES, -1);
  }

  has(lane: number): boolean {
    return this.bucketOf[lane] !== -1;
  }

  /** The lane at the bucket whose turn was longest ago, -1 if there is none. */
  oldest(bucket: number): number {
    return this.lists.head[bucket];
  }

  park(lane: number, bucket: number, ticket: Float64Array): void {
    let before = this.lists.tail[bucket];
    // The newest turn goes last: nearly always no step.
    while (before !== -1 && ticket[before] > ticket[lane]) before = this.lists.prev[before];
    this.lists.insertAfter(bucket, before, lane);
    this.bucketOf[lane] = bucket;
  }

  /** Does nothing if the lane is not parked. */
  unpark(lane: number): void {
    if (!this.has(lane)) return;
    this.lists.remove(this.bucketOf[lane], lane);
    this.bucketOf[lane] = -1;
  }
}
