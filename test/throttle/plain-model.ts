import type { Limits } from '../../src/throttle/limits.js';

/** A bucket as the manual describes it: a rate, and a list of all requests that ever passed. */
interface PlainBucket {
  group: string;
  key: Exclude<keyof Limits, 'iopsSize'>;
  passed: { time: number; units: number }[];
  /** The time of the last change of the rate: requests that passed before count at another rate. */
  since: number;
  largest: number;
}

export interface PlainRequest {
  id: number;
  member: number;
  direction: number;
  bytes: number;
}

const KEYS = {
  read: ['rbps', 'bps', 'riops', 'iops'],
  write: ['wbps', 'bps', 'wiops', 'iops'],
} as const;

/**
 * A slow and simple model. It knows the limits, the members of the groups and the times at which requests
 * passed, and checks the throttle against the rules, without heaps, holds or leaky buckets of its own.
 */
export class PlainModel {
  readonly waiting: PlainRequest[] = [];
  readonly groupOf: string[] = [];
  private readonly limits = new Map<string, Limits>();
  private readonly buckets = new Map<string, PlainBucket>();

  setLimits(group: string, limits: Limits, now: number): void {
    this.limits.set(group, limits);
    for (const key of [...KEYS.read, ...KEYS.write]) {
      this.buckets.set(`${group}:${key}`, { group, key, passed: [], since: now, largest: 0 });
    }
  }

  /** Notes the largest waiting request of each bucket, because its savings may let another one pass. */
  noteLargest(): void {
    for (const request of this.waiting) {
      for (const bucket of this.bucketsOf(request)) {
        bucket.largest = Math.max(bucket.largest, this.unitsOf(request, bucket));
      }
    }
  }

  /** First waiting request of each member and class, in the order of arrival. */
  heads(): PlainRequest[] {
    const seen = new Set<string>();
    return this.waiting.filter((request) => {
      const queue = `${request.member}:${request.direction === 0}`;
      return !seen.has(queue) && seen.add(queue);
    });
  }

  /** Records that the request passed; returns the rule that this violates, or ''. */
  admit(request: PlainRequest, now: number, wasWaiting: boolean): string {
    const queue = (r: PlainRequest): string => `${r.member}:${r.direction === 0}`;
    const first = this.waiting.find((other) => queue(other) === queue(request));
    if (wasWaiting !== (first !== undefined)) return `${request.id}: passed one that waits`;
    if (wasWaiting && first?.id !== request.id) return `${request.id} before ${first?.id}`;
    if (wasWaiting) this.waiting.splice(this.waiting.indexOf(first as PlainRequest), 1);
    for (const bucket of this.bucketsOf(request)) {
      const units = this.unitsOf(request, bucket);
      bucket.passed.push({ time: now, units });
      bucket.largest = Math.max(bucket.largest, units);
      const wrong = this.overfull(bucket, now);
      if (wrong !== '') return `${request.id}: ${wrong}`;
    }
    return '';
  }

  /** Checks every interval that ends now: at most rate * (length + 10 ms) and one request, within 1 us. */
  private overfull(bucket: PlainBucket, now: number): string {
    const rate = this.rateOf(bucket);
    let units = 0;
    for (const { time, units: more } of bucket.passed.toReversed()) {
      units += more;
      const allowed = (rate * (now - time + 10e6 + 1000)) / 1e9 + bucket.largest;
      if (units > allowed * (1 + 1e-9)) {
        return `${bucket.group}:${bucket.key}: ${units} in ${now - time} ns, not ${allowed}`;
      }
    }
    return '';
  }

  /** The limited buckets that the request must pass. */
  bucketsOf(request: PlainRequest): PlainBucket[] {
    const found: PlainBucket[] = [];
    let path = this.groupOf[request.member];
    for (;;) {
      for (const key of KEYS[request.direction === 0 ? 'read' : 'write']) {
        const bucket = this.buckets.get(`${path}:${key}`);
        if (bucket !== undefined && this.rateOf(bucket) !== Infinity) found.push(bucket);
      }
      if (path === '') return found;
      path = path.slice(0, Math.max(0, path.lastIndexOf('/')));
    }
  }

  /** The cost of the request at the bucket in seconds. */
  secondsFor(request: PlainRequest, bucket: PlainBucket): number {
    return this.unitsOf(request, bucket) / this.rateOf(bucket);
  }

  /** True if some interval up to now shows that the request could not have passed yet. */
  isFullFor(request: PlainRequest, bucket: PlainBucket, now: number): boolean {
    let units = this.unitsOf(request, bucket);
    const rate = this.rateOf(bucket);
    if (units > rate * 0.01 - 1e-9 * units) return true;
    for (const { time, units: more } of bucket.passed.toReversed()) {
      units += more;
      if (units > ((rate * (now - time + 10e6)) / 1e9) * (1 - 1e-9)) return true;
    }
    // The list lacks debt from before a change of the rate, which is paid off within a few seconds.
    return now - bucket.since < 60e9;
  }

  private rateOf(bucket: PlainBucket): number {
    return this.limits.get(bucket.group)?.[bucket.key] ?? Infinity;
  }

  private unitsOf(request: PlainRequest, bucket: PlainBucket): number {
    if (bucket.key.endsWith('bps')) return request.bytes;
    const size = this.limits.get(bucket.group)?.iopsSize ?? 0;
    return size === 0 ? 1 : Math.max(1, request.bytes / size);
  }
}
