import { grown } from '../util/growing.js';
import { Heap, type Places } from './heap.js';
import { NONE, type NodeTable } from './node-table.js';
import type { SfqTree } from './sfq-tree.js';
import type { Minimum } from './shares.js';

/** How far, in ns, reservations may be late before their common clock is slowed down. */
const PATIENCE = 100e6;
/** Time in ns after which a group is tried again that should send and cannot. */
const RETRY = 1e6;
/** Overcommitment is logged once it has lasted for a second, and again after a minute. */
const WARN_AFTER = 1e9;
const WARN_AGAIN = 60e9;

/**
 * The reservations of mClock, for `io.min`. A group with one has a tag: the time at which its next
 * request is due if it is to get its minimum and no more. The earliest tag that is due is served
 * before weights count. Every request that goes moves the tag, but no further ahead than by one
 * request: what a group gets beyond its minimum does not count against its minimum later.
 *
 * If the device cannot keep up, tags are late. As the earliest is always served first, all are late
 * by the same time, and rates are scaled in proportion. The common clock of the tags is then slowed
 * down by `lag`. Otherwise groups would later be paid for the time in which the device could not keep
 * up.
 */
export class Reservations {
  isActive = false;
  readonly #nodes: NodeTable;
  readonly #warnings: string[];
  /** By row: ns per request and per byte, 0 for none, and the tags. */
  #perRequest = new Float64Array(0);
  #perByte = new Float64Array(0);
  #requestTag = new Float64Array(0);
  #byteTag = new Float64Array(0);
  /** By device: rows of the groups that may have requests waiting for it, by tag. */
  readonly #places: Places[];
  readonly #heaps: Heap[];
  #lag = 0;
  #lagSince = 0;
  #lagAtWarning = 0;
  #warnedAt = -Infinity;

  constructor(nodes: NodeTable, warnings: string[]) {
    this.#nodes = nodes;
    this.#warnings = warnings;
    this.#places = Array.from({ length: nodes.devices }, () => ({ place: new Int32Array(0) }));
    this.#heaps = this.#places.map((places) => new Heap(places));
  }

  /** Makes room; never shrinks. */
  grow(groups: number): void {
    this.#perRequest = grown(this.#perRequest, groups);
    this.#perByte = grown(this.#perByte, groups);
    this.#requestTag = grown(this.#requestTag, groups);
    this.#byteTag = grown(this.#byteTag, groups);
    for (const places of this.#places) places.place = grown(places.place, groups, NONE);
  }

  /** Sets the rates of a group by its row. */
  set(group: number, minimum: Minimum, now: number): void {
    const clock = now - this.#lag;
    setRate(this.#perRequest, this.#requestTag, group, minimum.iops, clock);
    setRate(this.#perByte, this.#byteTag, group, minimum.bps, clock);
    for (const heap of this.#heaps) heap.remove(group);
    this.isActive = this.#perRequest.some((ns) => ns > 0) || this.#perByte.some((ns) => ns > 0);
    this.#enterWaiting(group, now);
  }

  /** Enters all groups that have requests waiting, after a change of the tree. */
  rebuild(now: number): void {
    for (let group = 0; group < this.#perRequest.length; group++) {
      this.#enterWaiting(group, now);
    }
  }

  /** A request waits at the node `from`. */
  wake(from: number, now: number): void {
    for (let node = from; node !== NONE; node = this.#nodes.parent[node]) {
      this.#enter(this.#nodes.rowOf(node), this.#nodes.deviceOf(node), now);
    }
  }

  /** A request of `bytes` goes from the node `from`. */
  served(from: number, bytes: number, now: number): void {
    const clock = now - this.#lag;
    for (let node = from; node !== NONE; node = this.#nodes.parent[node]) {
      const group = this.#nodes.rowOf(node);
      const time = this.#perRequest[group];
      const byteTime = this.#perByte[group] * bytes;
      if (time !== 0) this.#requestTag[group] = Math.min(this.#requestTag[group], clock) + time;
      if (byteTime !== 0) this.#byteTag[group] = Math.min(this.#byteTag[group], clock) + byteTime;
      for (const heap of this.#heaps) if (heap.has(group)) heap.set(group, this.#tagOf(group));
    }
  }

  /** The queue to the device that a reservation serves now; NONE if no reservation is due. */
  choose(tree: SfqTree, device: number, now: number): number {
    const nodes = this.#nodes;
    const heap = this.#heaps[device];
    for (let group = heap.top(); group !== NONE; group = heap.top()) {
      if (heap.topKey > now - this.#lag) return NONE;
      const node = nodes.nodeOf(group, device);
      if (nodes.queued[node] === 0) {
        heap.remove(group);
        continue;
      }
      const tag = this.#tagOf(group);
      const queue = tag > now - this.#lag ? NONE : tree.chooseBelow(node, now);
      if (queue !== NONE) {
        this.#keepUp(tag, now);
        return queue;
      }
      heap.set(group, Math.max(tag, now - this.#lag + RETRY));
    }
    return NONE;
  }

  #tagOf(group: number): number {
    const requests = this.#perRequest[group] === 0 ? Infinity : this.#requestTag[group];
    const bytes = this.#perByte[group] === 0 ? Infinity : this.#byteTag[group];
    return Math.min(requests, bytes);
  }

  /** Enters a group on every device that it has requests waiting for. */
  #enterWaiting(group: number, now: number): void {
    const nodes = this.#nodes;
    for (let device = 0; device < nodes.devicesInUse; device++) {
      if (nodes.queued[nodes.nodeOf(group, device)] > 0) this.#enter(group, device, now);
    }
  }

  #enter(group: number, device: number, now: number): void {
    if (this.#perRequest[group] === 0 && this.#perByte[group] === 0) return;
    if (this.#heaps[device].has(group)) return;
    if (this.#heaps.every((heap) => heap.isEmpty)) this.#lag = 0;
    const clock = now - this.#lag;
    this.#requestTag[group] = Math.max(this.#requestTag[group], clock);
    this.#byteTag[group] = Math.max(this.#byteTag[group], clock);
    this.#heaps[device].set(group, this.#tagOf(group));
  }

  /** Slows the common clock down while the earliest tag is late by more than PATIENCE. */
  #keepUp(tag: number, now: number): void {
    const late = now - this.#lag - tag;
    if (late <= PATIENCE) return;
    if (this.#lag === 0 || now - this.#lagSince > 10 * WARN_AFTER) {
      this.#lagSince = now;
      this.#lagAtWarning = this.#lag;
    }
    this.#lag += late - PATIENCE;
    const lasted = now - this.#lagSince;
    if (lasted < WARN_AFTER || now - this.#warnedAt < WARN_AGAIN) return;
    const share = 100 * (1 - (this.#lag - this.#lagAtWarning) / lasted);
    this.#warnedAt = now;
    this.#warnings.push(
      `io.min: the minimums are more than the device gives; groups get ${share.toFixed(0)} % of them`,
    );
  }
}

/** Carries over in units how far the tag is ahead. A group number that is used again owes nothing. */
function setRate(
  nsPerUnit: Float64Array,
  tags: Float64Array,
  group: number,
  rate: number,
  clock: number,
): void {
  const old = nsPerUnit[group];
  const ns = rate === 0 ? 0 : 1e9 / rate;
  const ahead = old === 0 ? 0 : Math.max(0, tags[group] - clock) / old;
  tags[group] = Math.min(tags[group], clock) + ahead * ns;
  nsPerUnit[group] = ns;
}
