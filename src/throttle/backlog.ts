import type { Contenders } from './contenders.js';
import type { DeviceIdling } from './device-idling.js';
import { leafNode, NONE, type NodeTable, ROOT } from './node-table.js';
import { FULL, NO_STALL, type PressureTable, SOME } from './pressure.js';
import type { RequestTable } from './request-table.js';

/**
 * Counts the requests that wait and are in flight at every node, and tells pressure and device idling
 * of them. A group is backlogged while it has requests that wait.
 */
export class Backlog {
  readonly #table: RequestTable;
  readonly #nodes: NodeTable;
  readonly #idling: DeviceIdling;
  readonly #pressures: PressureTable;
  readonly #contenders: Contenders;
  /** Leaf groups with requests. */
  #activeLeaves = 0;

  constructor(
    table: RequestTable,
    nodes: NodeTable,
    idling: DeviceIdling,
    pressures: PressureTable,
    contenders: Contenders,
  ) {
    this.#table = table;
    this.#nodes = nodes;
    this.#idling = idling;
    this.#pressures = pressures;
    this.#contenders = contenders;
  }

  /** Two groups or more have requests. */
  get isShared(): boolean {
    return this.#activeLeaves > 1;
  }

  dispatched(member: number, now: number): void {
    const nodes = this.#nodes;
    const leaf = leafNode(this.#table.groupOf[member]);
    if (nodes.inflight[leaf] + nodes.queued[leaf] === 0) this.#appear(leaf);
    for (let node = leaf; ; node = nodes.parent[node]) {
      nodes.inflight[node]++;
      if (nodes.queued[node] > 0) this.#noteStall(node, now);
      if (node === ROOT) return;
    }
  }

  completed(member: number, now: number): void {
    const nodes = this.#nodes;
    const leaf = leafNode(this.#table.groupOf[member]);
    if (nodes.inflight[leaf] + nodes.queued[leaf] === 1) this.#activeLeaves--;
    for (let node = leaf; ; node = nodes.parent[node]) {
      nodes.inflight[node]--;
      if (nodes.inflight[node] === 0) this.#idling.stop(node);
      if (nodes.queued[node] > 0) this.#noteStall(node, now);
      if (node === ROOT) return;
    }
  }

  queued(member: number, now: number): void {
    const nodes = this.#nodes;
    const leaf = leafNode(this.#table.groupOf[member]);
    if (nodes.inflight[leaf] + nodes.queued[leaf] === 0) this.#appear(leaf);
    for (let node = leaf; ; node = nodes.parent[node]) {
      nodes.queued[node]++;
      this.#idling.stop(node);
      this.#noteStall(node, now);
      if (node === ROOT) return;
    }
  }

  unqueued(member: number, now: number): void {
    const nodes = this.#nodes;
    const leaf = leafNode(this.#table.groupOf[member]);
    if (nodes.inflight[leaf] + nodes.queued[leaf] === 1) this.#activeLeaves--;
    for (let node = leaf; ; node = nodes.parent[node]) {
      nodes.queued[node]--;
      this.#noteStall(node, now);
      if (node === ROOT) return;
    }
  }

  /** Adds requests of a member that comes to the groups from `leaf` up, or takes them away. */
  carry(leaf: number, inflight: number, queued: number, now: number): void {
    const nodes = this.#nodes;
    this.#countLeaf(leaf, -1);
    for (let node = leaf; node !== NONE; node = nodes.parent[node]) {
      nodes.inflight[node] += inflight;
      nodes.queued[node] += queued;
      this.#noteStall(node, now);
      this.#idling.stop(node);
    }
    this.#countLeaf(leaf, 1);
  }

  #appear(leaf: number): void {
    this.#activeLeaves++;
    this.#contenders.appear(leaf);
  }

  #countLeaf(leaf: number, by: number): void {
    const { inflight, queued } = this.#nodes;
    if (inflight[leaf] + queued[leaf] === 0) return;
    this.#activeLeaves += by;
    this.#contenders.appear(leaf);
  }

  #noteStall(node: number, now: number): void {
    const { inflight, queued } = this.#nodes;
    const state = queued[node] === 0 ? NO_STALL : inflight[node] === 0 ? FULL : SOME;
    if (state !== this.#pressures.stateOf(node >> 1)) {
      this.#pressures.change(node >> 1, state, now);
    }
  }
}
