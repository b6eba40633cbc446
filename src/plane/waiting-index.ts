import { NONE, type Requests } from './requests.js';

const BUCKETS = 4096;

/** Finds a waiting request by FUSE's id, for INTERRUPT: a hash table of linked lists in typed arrays. */
export class WaitingIndex {
  readonly #requests: Requests;
  readonly #heads = new Int32Array(BUCKETS).fill(NONE);
  readonly #next: Int32Array;

  constructor(requests: Requests) {
    this.#requests = requests;
    this.#next = new Int32Array(requests.capacity);
  }

  add(request: number): void {
    const bucket = this.#bucket(this.#requests.uniqueLow[request]!);
    this.#next[request] = this.#heads[bucket]!;
    this.#heads[bucket] = request;
  }

  remove(request: number): void {
    const bucket = this.#bucket(this.#requests.uniqueLow[request]!);
    let at = this.#heads[bucket]!;
    if (at === request) {
      this.#heads[bucket] = this.#next[request]!;
      return;
    }
    while (at !== NONE && this.#next[at] !== request) at = this.#next[at]!;
    if (at !== NONE) this.#next[at] = this.#next[request]!;
  }

  /** The waiting request with this id, or NONE. */
  find(uniqueLow: number, uniqueHigh: number): number {
    const { uniqueLow: lows, uniqueHigh: highs } = this.#requests;
    let at = this.#heads[this.#bucket(uniqueLow)]!;
    while (at !== NONE && (lows[at] !== uniqueLow || highs[at] !== uniqueHigh)) {
      at = this.#next[at]!;
    }
    return at;
  }

  /** Ids of ordinary requests are even, so the lowest bit says nothing. */
  #bucket(uniqueLow: number): number {
    return (uniqueLow >>> 1) & (BUCKETS - 1);
  }
}
