import type { DeviceIdling } from './device-idling.js';
import { NONE, type NodeTable } from './node-table.js';
import { FULL, NO_STALL, type PressureTable, SOME } from './pressure.js';
import type { Windows } from './windows.js';

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
    const { parent, inflight: sent, queued: held } = this.#nodes;
    const leaf = parent[member];
    const isSpread = this.#nodes.devicesInUse > 1;
    sent[member] += inflight;
    held[member] += queued;
    for (let node = leaf; node !== NONE; node = parent[node]) {
      sent[node] += inflight;
      held[node] += queued;
      if (held[node] > 0 || sent[node] === 0) this.#idling.stop(node);
      // Where nothing waits nothing stalls, unless it waits for another device.
      if (queued !== 0 || held[node] > 0 || isSpread) this.#noteStall(node, now);
    }
    const after = sent[leaf] + held[leaf];
    const before = after - inflight - queued;
    if (before === 0 && after > 0) this.#windows.begin(leaf);
    else if (before > 0 && after === 0) this.#windows.end(leaf);
  }

  #noteStall(node: number, now: number): void {
    const nodes = this.#nodes;
    const row = nodes.rowOf(node);
    const first = nodes.nodeOf(row, 0);
    let inflight = 0;
    let queued = 0;
    for (let one = first; one < first + 2 * nodes.devicesInUse; one += 2) {
      inflight += nodes.inflight[one];
      queued += nodes.queued[one];
    }
    const state = queued === 0 ? NO_STALL : inflight === 0 ? FULL : SOME;
    if (state !== this.#pressures.stateOf(row)) this.#pressures.change(row, state, now);
  }
}
