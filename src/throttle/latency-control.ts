import type { Target } from './group-tree.js';
import { NONE, type NodeTable } from './node-table.js';
import { MAX_DEPTH } from './shares.js';

/** A target is judged over completions of 10 ms, and at least 4 of them if they come within 100 ms. */
const INTERVAL = 10e6;
const LEAST_COMPLETIONS = 4;
const LONGEST_INTERVAL = 100e6;
/** Siblings get more only while the mean is this much below the target, so that it is not crossed at once. */
const ROOM = 0.95;

/** A group with a target. */
interface Watch extends Target {
  /** Window of each of these. */
  width: number;
  since: number;
  sum: number;
  count: number;
}

/**
 * `io.latency`: while the mean latency of a group is above its target, the windows of its siblings,
 * and of the siblings of the groups above it, are halved, down to 1; they grow by 1 when it is met.
 * Siblings with as tight a target or a tighter one are left alone.
 *
 * Latency is what the user feels below the group's own limits: from the moment when these would have
 * let the request go, to its completion; waiting for a place in the window counts.
 */
export class LatencyControl {
  isActive = false;
  private readonly nodes: NodeTable;
  private watches: Watch[] = [];
  private readonly byNode = new Map<number, Watch>();
  private readonly changed: number[] = [];
  private turn = 0;

  constructor(nodes: NodeTable) {
    this.nodes = nodes;
  }

  /** All targets, after a change of them or of the tree; widths of those that stay are kept. */
  set(targets: readonly Target[], now: number): void {
    const watches = targets.map(({ node, target, others }) => {
      const width = this.byNode.get(node)?.width ?? Infinity;
      return { node, target, others, width, since: now, sum: 0, count: 0 };
    });
    this.byNode.clear();
    for (const watch of watches) this.byNode.set(watch.node, watch);
    this.watches = watches;
    this.isActive = watches.length > 0;
    this.nodes.maxInflight.fill(Infinity);
    for (const watch of watches) this.apply(watch);
    this.changed.length = 0;
  }

  /** A request of the leaf `from` has completed. */
  completed(from: number, latency: number, now: number): void {
    for (let node = from; node !== NONE; node = this.nodes.parent[node]) {
      const watch = this.byNode.get(node);
      if (watch === undefined) continue;
      watch.sum += latency;
      watch.count++;
    }
    this.turn = (this.turn + 1) % this.watches.length;
    this.judge(this.watches[this.turn], now);
  }

  /** A node whose window has changed since the last call, NONE if there is no more. */
  takeChanged(): number {
    return this.changed.pop() ?? NONE;
  }

  private judge(watch: Watch, now: number): void {
    const length = now - watch.since;
    const isIdle = this.nodes.inflight[watch.node] + this.nodes.queued[watch.node] === 0;
    const enough = isIdle || watch.count >= LEAST_COMPLETIONS;
    if (length < INTERVAL || (!enough && length < LONGEST_INTERVAL)) return;
    const mean = watch.count > 0 ? watch.sum / watch.count : isIdle ? 0 : length;
    const width = this.widthFor(watch, mean);
    watch.since = now;
    watch.sum = 0;
    watch.count = 0;
    if (width === watch.width) return;
    watch.width = width;
    this.apply(watch);
  }

  private widthFor(watch: Watch, mean: number): number {
    if (mean > watch.target) {
      let most = 1;
      for (const node of watch.others) most = Math.max(most, this.nodes.inflight[node]);
      return Math.max(1, Math.floor(Math.min(watch.width, most) / 2));
    }
    if (mean > ROOM * watch.target || watch.width === Infinity) return watch.width;
    return watch.width >= MAX_DEPTH ? Infinity : watch.width + 1;
  }

  private apply(watch: Watch): void {
    for (const node of watch.others) {
      let width = Infinity;
      for (const one of this.watches) {
        if (one.others.includes(node)) width = Math.min(width, one.width);
      }
      if (this.nodes.maxInflight[node] === width) continue;
      this.nodes.maxInflight[node] = width;
      this.changed.push(node);
    }
  }
}
