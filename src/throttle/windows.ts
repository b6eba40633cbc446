import { Contenders } from './contenders.js';
import { type NodeTable, ROOT } from './node-table.js';

/**
 * A window for each device, the depth D of SFQ(D): the number of requests that the device may have in
 * flight. It is a number that somebody set, or the largest that leaves weights a choice (`auto`).
 */
export class Windows {
  /** By device: time in ns since which a place is free, after the window was full. */
  readonly freeSince: Float64Array;
  readonly depths: Int32Array;
  readonly contenders: readonly Contenders[];
  readonly #nodes: NodeTable;
  readonly #inflight: Int32Array;
  /** By device: leaf groups with requests for it. */
  readonly #groups: Int32Array;
  /** Requests in flight on all devices, and the most of them. */
  #sum = 0;
  readonly #max: number;
  #fixed = 0;

  /** @param max Requests that the caller can have in flight, whatever is set. */
  constructor(nodes: NodeTable, max: number) {
    const { devices } = nodes;
    this.#nodes = nodes;
    this.#max = max;
    this.freeSince = new Float64Array(devices).fill(-Infinity);
    this.depths = new Int32Array(devices).fill(max);
    this.#inflight = new Int32Array(devices);
    this.#groups = new Int32Array(devices);
    this.contenders = Array.from({ length: devices }, (_, device) => {
      return new Contenders(nodes, nodes.nodeOf(ROOT, device));
    });
  }

  /** The smallest window. */
  get depth(): number {
    return Math.min(...this.depths.subarray(0, this.#nodes.devicesInUse));
  }

  get mode(): 'auto' | number {
    return this.isAuto ? 'auto' : this.#fixed;
  }

  get isAuto(): boolean {
    return this.#fixed === 0;
  }

  setMode(mode: 'auto' | number, now: number): void {
    this.#fixed = mode === 'auto' ? 0 : mode;
    for (const device of this.depths.keys()) {
      this.#setDepth(device, mode === 'auto' ? Infinity : mode, now);
    }
  }

  /** Two groups or more have requests for the device. */
  isShared(device: number): boolean {
    return this.#groups[device] > 1;
  }

  /** The device has no place free. */
  isFull(device: number): boolean {
    return this.#inflight[device] >= this.depths[device] || this.#sum >= this.#max;
  }

  /** No request can go, to whatever device. */
  get areFull(): boolean {
    for (let device = 0; device < this.#nodes.devicesInUse; device++) {
      if (!this.isFull(device)) return false;
    }
    return true;
  }

  /** A leaf group that had no request has one. */
  begin(leaf: number): void {
    const device = this.#nodes.deviceOf(leaf);
    this.#groups[device]++;
    this.contenders[device].appear(leaf);
  }

  /** A leaf group has no request any more. */
  end(leaf: number): void {
    this.#groups[this.#nodes.deviceOf(leaf)]--;
  }

  /** A request takes a place. */
  take(device: number): void {
    this.#sum++;
    this.#inflight[device]++;
  }

  /** A request gives its place back. */
  giveBack(device: number, now: number): void {
    if (this.#inflight[device] >= this.depths[device]) this.freeSince[device] = now;
    this.#sum--;
    this.#inflight[device]--;
  }

  /** Follows the groups that contend. Call when completions are taken in, before anything is chosen. */
  follow(now: number): void {
    for (let device = 0; device < this.#nodes.devicesInUse; device++) {
      const contenders = this.contenders[device];
      if (!contenders.isDue(now)) continue;
      const found = contenders.look(this.#fixed, now);
      if (this.isAuto) this.#setDepth(device, found, now);
    }
  }

  /** A larger window may have a place free at once, for requests that have waited for one. */
  #setDepth(device: number, depth: number, now: number): void {
    const wasFull = this.#inflight[device] >= this.depths[device];
    this.depths[device] = Math.min(depth, this.#max);
    if (wasFull && this.#inflight[device] < this.depths[device]) this.freeSince[device] = now;
  }
}
