import { BUCKETS, type Buckets, KINDS_OF_CLASS, SHARED_KINDS } from './buckets.js';
import type { Group } from './group.js';

/** Classes of requests: reads, and writes with discards. */
export const CLASSES = 2;

const EMPTY = new Int32Array(0);

/**
 * Which buckets a request must pass: at each group its own, and for all levels together the chain.
 * Only buckets with a limit are listed, so that the data path reads one length to know that there
 * is none. A slot here is group number * CLASSES + class.
 */
export class Chains {
  /** All buckets on the way from a group up to the root group. */
  readonly chain: Int32Array[] = [];
  /** Buckets at the group itself. */
  readonly own: Int32Array[] = [];
  /** Buckets at the group that reads and writes share, by group. */
  readonly shared: Int32Array[] = [];

  /** A group was made, or its limits or those of a group above it have changed. */
  rebuild(group: Group, buckets: Buckets): void {
    const shared = limited(group, SHARED_KINDS, buckets);
    this.shared[group.id] = shared;
    for (let kind = 0; kind < CLASSES; kind++) {
      const slot = group.id * CLASSES + kind;
      const own = joined(limited(group, KINDS_OF_CLASS[kind], buckets), shared);
      const above = group.parent === null ? EMPTY : this.chain[group.parent.id * CLASSES + kind];
      this.own[slot] = own;
      this.chain[slot] = joined(own, above);
    }
    for (const child of group.children.values()) this.rebuild(child, buckets);
  }
}

function limited(group: Group, kinds: readonly number[], buckets: Buckets): Int32Array {
  const found: number[] = [];
  for (const kind of kinds) {
    const bucket = group.id * BUCKETS + kind;
    if (buckets.isLimited(bucket)) found.push(bucket);
  }
  return found.length === 0 ? EMPTY : Int32Array.from(found);
}

function joined(a: Int32Array, b: Int32Array): Int32Array {
  if (a.length === 0) return b;
  if (b.length === 0) return a;
  const both = new Int32Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
