import { Contenders } from './contenders.js';
import { type NodeTable, ROOT } from './node-table.js';

/**
 * The window of a device, or depth D of SFQ(D): the number of requests that it may have in flight. It is a
 * number that somebody set, or the largest that leaves weights a choice (`auto`).
 */
export class Window {
  /** Time in ns since which a place is free, after it was full. */
  freeSince = -Infinity;
  readonly contenders: Contenders;
  /** Leaf groups with requests for the device. */
  #groups = 0;
  #depth: number;
  #inflight = 0;
  readonly #max: number;

  constructor(contenders: Contenders, max: number) {
    this.contenders = contenders;
    this.#max = max;
    this.#depth = max;
  }

  get depth(): number {
    return this.#depth;
  }

  /** A larger window may have a place free at once, for requests that have waited for one. */
  setDepth(depth: number, now: number): void {
    const wasFull = this.isFull;
    this.#depth = Math.min(depth, this.#max);
    if (wasFull && !this.isFull) this.freeSince = now;
  }

  /** Two groups or more have requests. */
  get isShared(): boolean {
    return this.#groups > 1;
  }

  /** No place is free. */
  get isFull(): boolean {
    return this.#inflight >= this.#depth;
  }

  /** A group that had no request has one. */
  begin(leaf: number): void {
    this.#groups++;
    this.contenders.appear(leaf);
  }

  /** A group has no request any more. */
  end(): void {
    this.#groups--;
  }

  take(): void {
    this.#inflight++;
  }

  giveBack(now: number): void {
    if (this.isFull) this.freeSince = now;
    this.#inflight--;
  }

  /** Follows the groups that contend. @param fixed The window that is set, 0 for `auto`. */
  follow(fixed: number, now: number): void {
    if (!this.contenders.isDue(now)) return;
    const found = this.contenders.look(fixed, now);
    if (fixed === 0) this.setDepth(found, now);
  }
}

/** The windows of all devices. */
export class Windows {
  readonly #windows: readonly Window[];
  readonly #nodes: NodeTable;
  #fixed = 0;
  /** Requests in flight on all devices. */
  #inflight = 0;
  readonly #max: number;

  /** @param max Requests that the caller can have in flight, whatever is set. */
  constructor(nodes: NodeTable, max: number) {
    this.#max = max;
    this.#nodes = nodes;
    this.#windows = Array.from({ length: nodes.devices }, (_, device) => {
      return new Window(new Contenders(nodes, nodes.nodeOf(ROOT, device)), max);
    });
  }

  /** The smallest window. */
  get depth(): number {
    const used = this.#windows.slice(0, this.#nodes.devicesInUse);
    return Math.min(...used.map((window) => window.depth));
  }

  get mode(): 'auto' | number {
    return this.#fixed === 0 ? 'auto' : this.#fixed;
  }

  setMode(mode: 'auto' | number, now: number): void {
    this.#fixed = mode === 'auto' ? 0 : mode;
    for (const window of this.#windows) window.setDepth(mode === 'auto' ? this.#max : mode, now);
  }

  get isAuto(): boolean {
    return this.#fixed === 0;
  }

  of(device: number): Window {
    return this.#windows[device];
  }

  isFull(device: number): boolean {
    return this.#inflight >= this.#max || this.#windows[device].isFull;
  }

  /** No request can go, to whatever device. */
  get areFull(): boolean {
    for (let device = 0; device < this.#nodes.devicesInUse; device++) {
      if (!this.isFull(device)) return false;
    }
    return true;
  }

  /** A request takes a place. */
  take(device: number): void {
    this.#inflight++;
    this.#windows[device].take();
  }

  /** A request gives its place back. */
  giveBack(device: number, now: number): void {
    this.#windows[device].giveBack(now);
    this.#inflight--;
  }

  /** See Window. Call when completions are taken in, before anything is chosen. */
  follow(now: number): void {
    for (let device = 0; device < this.#nodes.devicesInUse; device++) {
      this.#windows[device].follow(this.#fixed, now);
    }
  }
}
