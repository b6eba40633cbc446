import type { Contenders } from './contenders.js';
import type { DeviceIdling } from './device-idling.js';
import { NONE, type NodeTable } from './node-table.js';
import { FULL, NO_STALL, type PressureTable, SOME } from './pressure.js';

/**
 * Counts the requests that wait and are in flight at every node, and tells pressure, device idling and
 * contenders of them. A group is backlogged while it has requests that wait.
 */
export class Backlog {
  readonly #nodes: NodeTable;
  readonly #idling: DeviceIdling;
  readonly #pressures: PressureTable;
  readonly #contenders: Contenders;
  /** Leaf groups with requests. */
  #activeLeaves = 0;

  constructor(
    nodes: NodeTable,
    idling: DeviceIdling,
    pressures: PressureTable,
    contenders: Contenders,
  ) {
    this.#nodes = nodes;
    this.#idling = idling;
    this.#pressures = pressures;
    this.#contenders = contenders;
  }

  /** Two groups or more have requests. */
  get isShared(): boolean {
    return this.#activeLeaves > 1;
  }

  /** Counts changes of the requests of the group `leaf` that are in flight, and that wait. */
  add(leaf: number, inflight: number, queued: number, now: number): void {
    const nodes = this.#nodes;
    const before = nodes.inflight[leaf] + nodes.queued[leaf];
    for (let node = leaf; node !== NONE; node = nodes.parent[node]) {
      nodes.inflight[node] += inflight;
      nodes.queued[node] += queued;
      if (nodes.queued[node] > 0 || nodes.inflight[node] === 0) this.#idling.stop(node);
      this.#noteStall(node, now);
    }
    const after = nodes.inflight[leaf] + nodes.queued[leaf];
    if (before === 0 && after > 0) {
      this.#activeLeaves++;
      this.#contenders.appear(leaf);
    } else if (before > 0 && after === 0) this.#activeLeaves--;
  }

  #noteStall(node: number, now: number): void {
    const { inflight, queued } = this.#nodes;
    const state = queued[node] === 0 ? NO_STALL : inflight[node] === 0 ? FULL : SOME;
    if (state !== this.#pressures.stateOf(node >> 1)) {
      this.#pressures.change(node >> 1, state, now);
    }
  }
}
