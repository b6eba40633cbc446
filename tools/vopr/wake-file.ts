import type { Entry, RingTarget } from './sim-ring.js';

/** The eventfd by which the control plane wakes the data plane. */
export class WakeFile implements RingTarget {
  #count = 0;
  #read: (() => void) | null = null;

  start(_entry: Entry, done: (result: number) => void): void {
    this.#read = () => done(8);
    this.#look();
  }

  add(): void {
    this.#count++;
    this.#look();
  }

  #look(): void {
    if (this.#count === 0 || this.#read === null) return;
    const read = this.#read;
    this.#count = 0;
    this.#read = null;
    read();
  }
}
