import type { Target } from './group-tree.js';
import { NONE, type NodeTable } from './node-table.js';
import { MAX_DEPTH } from './shares.js';

/** A target is judged over 10 ms, and over 4 completions if they come within 100 ms. Times in ns. */
const INTERVAL = 10e6;
const LEAST_COMPLETIONS = 4;
const LONGEST_INTERVAL = 100e6;
/** The bound grows only while the mean latency is below this part of the target. */
const ROOM = 0.95;
/**
 * Least bound, so that a target that nothing can meet stops nobody. On a virtio disk a thread beside 128
 * others kept 74 % of its rate with 1/4, and 83 % with 1/8.
 */
const LEAST_BOUND = 1 / 8;

/** A group with a target, on a device. */
interface Watch {
  readonly node: number;
  /** In ns. */
  readonly target: number;
  /** Nodes that give way to it. */
  readonly others: readonly number[];
  /** Requests that each of the others may have in flight, or the part of the time with one. */
  bound: number;
  /** Begin of the interval in ns, and latencies in it. */
  since: number;
  sum: number;
  count: number;
}

/**
 * `io.latency`. While the mean latency of a group is above its target, the requests that each of its
 * siblings, and of the siblings of the groups above it, may have in flight are halved. Below 1 the bound
 * is a part of the time: with 1/8 a sibling rests after each request, seven times as long as that took.
 * The bound grows by 1 while the target is met, below 1 twofold. Siblings with as tight a target are left
 * alone.
 *
 * Latency is what the user feels below the group's own limits: it counts from the time at which these
 * let the request go to its completion, so waiting for a place in flight is part of it.
 */
export class LatencyControl {
  isActive = false;
  readonly #nodes: NodeTable;
  #watches: Watch[] = [];
  readonly #byNode = new Map<number, Watch>();
  readonly #changed: number[] = [];
  #next = 0;

  constructor(nodes: NodeTable) {
    this.#nodes = nodes;
  }

  /** Sets all targets, after a change of them or of the tree. Bounds of targets that stay are kept. */
  set(targets: readonly Target[], now: number): void {
    const watches = targets
      .flatMap((target) => this.#onDevices(target))
      .map((one) => {
        const { node, target, others } = one;
        const bound = this.#byNode.get(node)?.bound ?? Infinity;
        return { node, target, others, bound, since: now, sum: 0, count: 0 };
      });
    this.#byNode.clear();
    for (const watch of watches) this.#byNode.set(watch.node, watch);
    this.#watches = watches;
    this.isActive = watches.length > 0;
    this.#nodes.maxInflight.fill(Infinity);
    this.#nodes.restsUntil.fill(0);
    for (const watch of watches) this.#apply(watch);
    this.#changed.length = 0;
  }

  /** A request of the leaf `from` has completed; `latency` and `now` in ns. */
  completed(from: number, latency: number, now: number): void {
    for (let node = from; node !== NONE; node = this.#nodes.parent[node]) {
      const watch = this.#byNode.get(node);
      if (watch === undefined) continue;
      watch.sum += latency;
      watch.count++;
    }
    this.#next = (this.#next + 1) % this.#watches.length;
    this.#judge(this.#watches[this.#next], now);
  }

  /** A request at or below `node` has completed, after `flight` ns: with a bound below 1 the node rests. */
  rest(node: number, flight: number, now: number): void {
    const { maxInflight, restsUntil } = this.#nodes;
    if (maxInflight[node] >= 1) return;
    restsUntil[node] = now + Math.min(flight * (1 / maxInflight[node] - 1), LONGEST_INTERVAL);
  }

  /** A node whose bound has changed and was not taken yet; NONE if there is none. */
  takeChanged(): number {
    return this.#changed.pop() ?? NONE;
  }

  /** Groups give way to one on the devices that both use. */
  #onDevices({ row, target, others }: Target): (Omit<Target, 'row'> & { node: number })[] {
    const nodes = this.#nodes;
    return Array.from({ length: nodes.devicesInUse }, (_, device) => {
      const node = nodes.nodeOf(row, device);
      return { node, target, others: others.map((other) => nodes.nodeOf(other, device)) };
    });
  }

  #judge(watch: Watch, now: number): void {
    const length = now - watch.since;
    const isIdle = this.#nodes.inflight[watch.node] + this.#nodes.queued[watch.node] === 0;
    const enough = isIdle || watch.count >= LEAST_COMPLETIONS;
    if (length < INTERVAL || (!enough && length < LONGEST_INTERVAL)) return;
    const mean = watch.count > 0 ? watch.sum / watch.count : isIdle ? 0 : length;
    const bound = this.#boundFor(watch, mean);
    watch.since = now;
    watch.sum = 0;
    watch.count = 0;
    if (bound === watch.bound) return;
    watch.bound = bound;
    this.#apply(watch);
  }

  #boundFor(watch: Watch, mean: number): number {
    if (mean > watch.target) {
      let most = 1;
      for (const node of watch.others) most = Math.max(most, this.#nodes.inflight[node]);
      const half = Math.min(watch.bound, most) / 2;
      return half >= 1 ? Math.floor(half) : Math.max(LEAST_BOUND, half);
    }
    if (mean > ROOM * watch.target || watch.bound === Infinity) return watch.bound;
    if (watch.bound < 1) return 2 * watch.bound;
    return watch.bound >= MAX_DEPTH ? Infinity : watch.bound + 1;
  }

  #apply(watch: Watch): void {
    for (const node of watch.others) {
      let bound = Infinity;
      for (const one of this.#watches) {
        if (one.others.includes(node)) bound = Math.min(bound, one.bound);
      }
      if (this.#nodes.maxInflight[node] === bound) continue;
      this.#nodes.maxInflight[node] = bound;
      this.#changed.push(node);
    }
  }
}
