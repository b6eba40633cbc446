import type { Group } from './group.js';
import { BUCKETS, KINDS_OF_CLASS, type LeakyBuckets, SHARED_KINDS } from './leaky-buckets.js';
import { OP_CLASSES, type RequestTable } from './request-table.js';

const EMPTY = new Int32Array(0);

/**
 * Lists the buckets that a request must pass: those of its own group, and those on the path from
 * there up to the root group. Only buckets with a limit are listed, so one length tells the data
 * path that there is nothing to pass.
 */
export class BucketPaths {
  readonly #table: RequestTable;
  readonly #buckets: LeakyBuckets;
  /** By group * OP_CLASSES + class. */
  readonly #path: Int32Array[] = [];
  readonly #own: Int32Array[] = [];
  /** By group. */
  readonly #shared: Int32Array[] = [];

  constructor(table: RequestTable, buckets: LeakyBuckets) {
    this.#table = table;
    this.#buckets = buckets;
  }

  /** All buckets that the requests of a queue must pass. */
  ofQueue(queue: number): Int32Array {
    const group = this.#table.groupOfQueue(queue);
    return this.#path[group * OP_CLASSES + (queue & 1)];
  }

  /** Buckets of the group itself that a class uses. */
  own(group: number, opClass: number): Int32Array {
    return this.#own[group * OP_CLASSES + opClass];
  }

  /** Buckets of the group itself that both classes use. */
  shared(group: number): Int32Array {
    return this.#shared[group];
  }

  /** Call after a group was made, or its limits have changed. */
  rebuild(group: Group): void {
    const shared = this.#limited(group, SHARED_KINDS);
    this.#shared[group.id] = shared;
    for (let opClass = 0; opClass < OP_CLASSES; opClass++) {
      const at = group.id * OP_CLASSES + opClass;
      const own = joined(this.#limited(group, KINDS_OF_CLASS[opClass]), shared);
      const { parent } = group;
      this.#own[at] = own;
      this.#path[at] =
        parent === null ? own : joined(own, this.#path[parent.id * OP_CLASSES + opClass]);
    }
    for (const child of group.children.values()) this.rebuild(child);
  }

  #limited(group: Group, kinds: readonly number[]): Int32Array {
    const found: number[] = [];
    for (const kind of kinds) {
      const bucket = group.id * BUCKETS + kind;
      if (this.#buckets.isLimited(bucket)) found.push(bucket);
    }
    return found.length === 0 ? EMPTY : Int32Array.from(found);
  }
}

function joined(a: Int32Array, b: Int32Array): Int32Array {
  if (a.length === 0) return b;
  if (b.length === 0) return a;
  const both = new Int32Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
