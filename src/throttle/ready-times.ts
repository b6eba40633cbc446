import type { BucketGate } from './bucket-gate.js';
import { NONE, type NodeTable } from './node-table.js';
import type { Siblings } from './siblings.js';

/**
 * Keeps the time from which each group may send a request of each class right: it depends on the
 * groups below, on the group's buckets and on its bound of requests in flight.
 */
export class ReadyTimes {
  readonly #nodes: NodeTable;
  readonly #siblings: Siblings;
  readonly #gate: BucketGate;

  constructor(nodes: NodeTable, siblings: Siblings, gate: BucketGate) {
    this.#nodes = nodes;
    this.#siblings = siblings;
    this.#gate = gate;
  }

  /**
   * Updates an entry of `from` and those of the groups above it, as far up as times change; `whole`:
   * up to the root. Where reads and writes share a bucket, both are judged in the same state, so that
   * they never wait for each other.
   */
  updatePath(from: number, opClass: number, now: number, whole: boolean): void {
    const { parent } = this.#nodes;
    const gate = this.#gate;
    let both = false;
    for (let node = from; node !== NONE; node = parent[node]) {
      const entry = 2 * node + opClass;
      let changed = this.update(entry, now);
      const shares = gate.sharesBuckets(node);
      both ||= shares;
      if (both) changed = this.update(entry ^ 1, now) || changed;
      if (shares) changed = this.update(entry, now) || changed;
      if (!changed && !whole) return;
    }
  }

  /** True if the ready time of the entry has changed. */
  update(entry: number, now: number): boolean {
    const before = this.#nodes.readyTime[entry];
    const time = this.#timeOf(entry, now);
    this.#siblings.place(entry, time, now);
    return time !== before;
  }

  #timeOf(entry: number, now: number): number {
    const { inflight, maxInflight, committed, readyTime } = this.#nodes;
    const siblings = this.#siblings;
    const gate = this.#gate;
    const node = entry >> 1;
    const opClass = entry & 1;
    if (inflight[node] >= maxInflight[node] && !gate.isDraining) return Infinity;
    let child = committed[entry];
    if (child !== NONE && readyTime[2 * child + opClass] === Infinity) {
      committed[entry] = NONE;
      child = NONE;
    }
    if (child === NONE) {
      // The buckets are looked at when an eligible child is chosen.
      if (siblings.hasEligible(entry)) return -Infinity;
      child = siblings.firstPending(entry);
      if (child === NONE) return Infinity;
    }
    const below = readyTime[2 * child + opClass];
    if (!gate.hasBuckets(entry)) return below;
    const bytes = siblings.headBytes(2 * child + opClass);
    return Math.max(below, gate.readyTime(entry, child, bytes, now));
  }
}
