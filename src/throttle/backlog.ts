import type { DeviceIdling } from './device-idling.js';
import { NONE, type NodeTable } from './node-table.js';
import { FULL, NO_STALL, type PressureTable, SOME } from './pressure.js';
import type { Windows } from './window.js';

/**
 * Counts the requests that wait and are in flight at every node, and tells pressure, device idling and
 * contenders of them. A group is backlogged while it has requests that wait.
 */
export class Backlog {
  readonly #nodes: NodeTable;
  readonly #idling: DeviceIdling;
  readonly #pressures: PressureTable;
  readonly #windows: Windows;

  constructor(nodes: NodeTable, idling: DeviceIdling, pressures: PressureTable, windows: Windows) {
    this.#nodes = nodes;
    this.#idling = idling;
    this.#pressures = pressures;
    this.#windows = windows;
  }

  /** Counts changes of the requests of a member's node that are in flight, and that wait. */
  add(member: number, inflight: number, queued: number, now: number): void {
    const nodes = this.#nodes;
    const leaf = nodes.parent[member];
    nodes.inflight[member] += inflight;
    nodes.queued[member] += queued;
    const before = nodes.inflight[leaf] + nodes.queued[leaf];
    for (let node = leaf; node !== NONE; node = nodes.parent[node]) {
      nodes.inflight[node] += inflight;
      nodes.queued[node] += queued;
      if (nodes.queued[node] > 0 || nodes.inflight[node] === 0) this.#idling.stop(node);
      this.#noteStall(node, now);
    }
    const after = nodes.inflight[leaf] + nodes.queued[leaf];
    if (before === 0 && after > 0) this.#windows.of(nodes.deviceOf(leaf)).begin(leaf);
    else if (before > 0 && after === 0) this.#windows.of(nodes.deviceOf(leaf)).end();
  }

  #noteStall(node: number, now: number): void {
    const nodes = this.#nodes;
    const row = nodes.rowOf(node);
    let [inflight, queued] = [0, 0];
    for (let device = 0; device < nodes.devices; device++) {
      inflight += nodes.inflight[nodes.nodeOf(row, device)];
      queued += nodes.queued[nodes.nodeOf(row, device)];
    }
    const state = queued === 0 ? NO_STALL : inflight === 0 ? FULL : SOME;
    if (state !== this.#pressures.stateOf(row)) this.#pressures.change(row, state, now);
  }
}
