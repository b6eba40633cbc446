import { type Entities, isMember, NONE, ROOT } from './entities.js';
import { SlotHeap } from './slot-heap.js';

/** Weight of the newest start in a group's average. */
const NEWEST = 1 / 64;
/**
 * A group of which more of the starts leave nothing waiting is not waited for: one thread, or one that
 * thinks between its requests, would hold up everybody. At 4 + 4 threads and a window of 3 a group of
 * weight 80 gets 74 % at 0.25 and 0.5, 79.5 % at 0.75, 79.7 % at 0.9; at a window of 4 61, 64, 74 and 77 %.
 */
const MOSTLY = 0.9;
/**
 * So long a group is waited for at most, in ns; else a disk that hangs would stop the images on all others.
 * At 2 x 128 threads, 80:20 and 10:90 come out as 80.0 and 10.0 with 10 ms, 79.5 and 10.7 with 4, and
 * as 54 to 79 and 10 to 32 with 1: whoever exceeds it even seldom is not waited for at all.
 */
const LONGEST = 10e6;

/**
 * While everybody waits for one group, a limit may come to let somebody go whose turn is earlier still, or
 * the wait may have been long enough; that is looked at so often, in ns. Mostly a request comes long before.
 */
const LOOK_AGAIN = 1e6;

/**
 * Groups whose siblings wait for them: they have requests in flight and none that waits, but mostly
 * there is one. The next will come as soon as one in flight completes, and by its tag it will be first.
 * Were its turn given away the group would lose what its weight says, the more the larger the window:
 * 2 x 128 threads with weights 80:20 on a virtio disk get 79.2 at a window of 96, 70.6 at 128 and 58.9 at
 * 160; so they get 80.0 at all of them, for no loss of throughput that could be measured. (BFQ calls it
 * device idling, the anticipatory scheduler anticipation.)
 *
 * A group whose next request takes too long has lost its turn, and its name for mostly having one.
 */
export class Idlers {
  /** After `holdUp`: what waits could go, but for a group that it waits for. */
  isHolding = false;
  /** Groups that are waited for. */
  count = 0;
  /** Those among them without groups below. */
  leaves = 0;
  private heldAt = 0;
  private readonly nodes: Entities;
  /** By parent: those below it, by start tag. A node is in with its first slot. */
  private readonly heaps: SlotHeap[] = [];

  constructor(nodes: Entities) {
    this.nodes = nodes;
  }

  addGroup(node: number): void {
    this.heaps[node] ??= new SlotHeap(this.nodes, true);
  }

  /** A request of the group, which is counted as such, has started. */
  started(node: number): void {
    const { lack, queued } = this.nodes;
    lack[node] += ((queued[node] === 0 ? 1 : 0) - lack[node]) * NEWEST;
  }

  /** Nothing of the node waits any more. */
  begin(node: number, now: number): void {
    const { nodes } = this;
    if (isMember(node) || nodes.idles[node] === 1 || nodes.lack[node] > MOSTLY) return;
    // A latency target may have shut its window: then it has some that wait, and they may not go.
    if (nodes.inflight[node] === 0 || nodes.queued[node] > 0) return;
    nodes.idles[node] = 1;
    nodes.idleSince[node] = now;
    this.count++;
    this.leaves += 1 - nodes.isInner[node];
    this.heaps[nodes.parent[node]].push(2 * node);
  }

  /** The node has something to send again, or nothing in flight: nobody waits for it. */
  stop(node: number): void {
    if (this.nodes.idles[node] === 0) return;
    this.end(node);
    this.isHolding = false;
  }

  /** When to look again while everybody waits for a group, in ns. */
  get lookAt(): number {
    return this.heldAt + LOOK_AGAIN;
  }

  /** True if at some level it is not the slot's turn, but that of a group that has nothing to send yet. */
  holdUp(slot: number, now: number): boolean {
    const { parent } = this.nodes;
    if (this.count === 0) return false;
    for (let node = parent[slot >> 1]; node !== ROOT && !this.isHolding; node = parent[node]) {
      this.isHolding = this.precede(node, now);
    }
    this.heldAt = now;
    return this.isHolding;
  }

  private end(node: number): void {
    const { nodes } = this;
    nodes.idles[node] = 0;
    this.count--;
    this.leaves -= 1 - nodes.isInner[node];
    this.heaps[nodes.parent[node]].remove(2 * node);
  }

  /** True if a sibling has the turn of `child`, and is waited for. */
  private precede(child: number, now: number): boolean {
    const { start, parent, idleSince, lack } = this.nodes;
    const heap = this.heaps[parent[child]];
    for (let first = heap.top(); first !== NONE; first = heap.top()) {
      const node = first >> 1;
      if (start[node] >= start[child]) return false;
      if (now < idleSince[node] + LONGEST) return true;
      this.end(node);
      lack[node] = 1;
    }
    return false;
  }

  clear(): void {
    this.nodes.idles.fill(0);
    this.isHolding = false;
    this.count = 0;
    this.leaves = 0;
    for (const heap of this.heaps) if (heap !== undefined) heap.size = 0;
  }
}
