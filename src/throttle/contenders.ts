import { ELIGIBLE, NONE, type NodeTable } from './node-table.js';

/** Time in ns from one look at the groups to the next; with many groups, the time for each of them. */
const EVERY = 1e6;
const EVERY_PER_GROUP = 1000;
/** Parts of the way to a smaller and to a greater number of requests that `least` goes at a look. */
const FALL = 1 / 4;
const RISE = 1 / 8;
/** Part of the sums of a group's times and costs that is kept at a completion. */
const KEPT = 1 - 1 / 128;
/** A group with fewer requests has none that waits while one is in flight. */
const LEAST_REQUESTS = 2;
/**
 * Requests of a group that the window leaves waiting. Of 4 + 4 threads at 80:20 on a virtio disk the first
 * got 79.9 and 79.6 % in two runs with 1.5, 77.9 to 79.8 with 1; of 128 it makes no difference.
 */
const LEFT = 1.5;
/**
 * A group does not contend if its choice takes a window below this part of all requests, and below
 * LEAST_WINDOW. One thread of weight 80 beside 128 others could get its share only if the device had one
 * request at a time.
 */
const LEAST_PART = 1 / 8;
const LEAST_WINDOW = 64;
/** For a group that contends already it is this part of that, or the window would go to and fro. */
const LEAST_TO_STAY = 1 / 2;

/**
 * Knows the groups that contend for a device, and the largest window in which weights can choose
 * among them. Pure: it sees numbers of requests, and completions.
 *
 * A weight bites while each contender has a request that waits whenever a place comes free. Of D - 1
 * places a group then takes up its part: its share, corrected for requests that take longer, or cost
 * less, than those of others. Of the requests that it has here, in flight and waiting, some must be left:
 *
 *     D - 1 = min (requests - LEFT) / part, rounded down
 *     part = taken / sum of taken          taken = share * time / cost
 *
 * The threads of a group do more than wait, so its requests come and go. The number that counts falls to
 * any smaller one that is seen, and rises slowly.
 */
export class Contenders {
  readonly #nodes: NodeTable;
  /** Groups that may have requests; none has groups below it. */
  readonly #leaves: number[] = [];
  readonly #root: number;
  #lookAt = 0;

  /** @param root The root of the device's tree. */
  constructor(nodes: NodeTable, root: number) {
    this.#nodes = nodes;
    this.#root = root;
  }

  /** A group that had no request has one. */
  appear(leaf: number): void {
    if (this.#nodes.isListed[leaf] === 1) return;
    this.#nodes.isListed[leaf] = 1;
    this.#leaves.push(leaf);
  }

  /** A group has got groups below it, and has no requests of its own. */
  remove(leaf: number): void {
    if (this.#nodes.isListed[leaf] === 0) return;
    this.#nodes.isListed[leaf] = 0;
    this.#leaves.splice(this.#leaves.indexOf(leaf), 1);
  }

  /** A request of `cost` units has completed, after `time` ns in flight. Needed while groups share the device. */
  completed(leaf: number, cost: number, time: number): void {
    const { flightTime, flightCost } = this.#nodes;
    flightTime[leaf] = flightTime[leaf] * KEPT + time;
    flightCost[leaf] = flightCost[leaf] * KEPT + cost;
  }

  /** True if it is time to look at the groups. */
  isDue(now: number): boolean {
    return now >= this.#lookAt;
  }

  /**
   * Finds out which groups contend, and marks their nodes and those above. Returns the largest window
   * that leaves weights a choice; Infinity if fewer than two groups contend.
   *
   * @param fixed A window that is set: groups that cannot fill their part of it do not contend. 0: none.
   */
  look(fixed: number, now: number): number {
    const { least, taken, inflight, queued, wasContender } = this.#nodes;
    this.#lookAt = now + Math.max(EVERY, EVERY_PER_GROUP * this.#leaves.length);
    this.#count();
    const all = inflight[this.#root] + queued[this.#root];
    const smallest = fixed > 0 ? fixed : Math.min(LEAST_PART * all, LEAST_WINDOW);
    const toStay = fixed > 0 ? fixed : LEAST_TO_STAY * smallest;
    let able = this.#leaves.filter((leaf) => this.#mayContend(leaf));
    let contenders: number[];
    let sum: number;
    do {
      contenders = able;
      sum = this.#divide(contenders);
      able = contenders.filter((leaf) => {
        return least[leaf] * sum >= (wasContender[leaf] === 1 ? toStay : smallest) * taken[leaf];
      });
    } while (able.length < contenders.length);
    if (contenders.length < 2) {
      this.#divide([]);
      return Infinity;
    }
    // Places that groups take up which do not contend.
    let others = inflight[this.#root];
    let window = Infinity;
    for (const leaf of contenders) {
      others -= inflight[leaf];
      // Requests that complete in the turn in which they start take up no place.
      if (taken[leaf] > 0) window = Math.min(window, ((least[leaf] - LEFT) * sum) / taken[leaf]);
    }
    return Math.max(1, Math.ceil(window + others));
  }

  /** Takes in the number of requests of every group, and forgets groups without any. */
  #count(): void {
    const { least, inflight, queued, isListed, isContender, wasContender } = this.#nodes;
    const leaves = this.#leaves;
    let kept = 0;
    for (const leaf of leaves) {
      const requests = inflight[leaf] + queued[leaf];
      const change = requests - least[leaf];
      least[leaf] += change * (change < 0 ? FALL : RISE);
      wasContender[leaf] = isContender[leaf];
      if (requests > 0) leaves[kept++] = leaf;
      else isListed[leaf] = isContender[leaf] = 0;
    }
    // The runtime sets a length, even to the same value, in 1 us.
    if (kept < leaves.length) leaves.length = kept;
  }

  /** A group has requests for its share, and no limit of its own stops them. */
  #mayContend(leaf: number): boolean {
    const { least, flightCost, queued, state, parent } = this.#nodes;
    if (least[leaf] < LEAST_REQUESTS || flightCost[leaf] === 0) return false;
    if (queued[leaf] === 0) return true;
    let [reads, writes] = [true, true];
    for (let node = leaf; parent[node] !== NONE; node = parent[node]) {
      reads &&= state[2 * node] === ELIGIBLE;
      writes &&= state[2 * node + 1] === ELIGIBLE;
    }
    return reads || writes;
  }

  /** Marks the contenders and the groups above. Works out what they take up, and returns the sum. */
  #divide(contenders: readonly number[]): number {
    const { parent, isContender, inverseWeight, rivalWeight, taken } = this.#nodes;
    const { flightTime, flightCost } = this.#nodes;
    for (const leaf of this.#leaves) {
      for (let node = leaf; parent[node] !== NONE; node = parent[node]) {
        isContender[node] = 0;
        rivalWeight[parent[node]] = 0;
      }
    }
    for (const leaf of contenders) {
      for (let node = leaf; parent[node] !== NONE && isContender[node] === 0; node = parent[node]) {
        isContender[node] = 1;
        rivalWeight[parent[node]] += 1 / inverseWeight[node];
      }
    }
    let sum = 0;
    for (const leaf of contenders) {
      let share = 1;
      for (let node = leaf; parent[node] !== NONE; node = parent[node]) {
        share /= inverseWeight[node] * rivalWeight[parent[node]];
      }
      taken[leaf] = (share * flightTime[leaf]) / flightCost[leaf];
      sum += taken[leaf];
    }
    return sum;
  }
}
