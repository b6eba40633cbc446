import { closeSync, openSync } from 'node:fs';

/**
 * Descriptors that are held open for the work that must be done when all others are in use: they are released
 * before it, and the work finds room.
 */
export class SpareDescriptors {
  readonly #count: number;
  #held: number[] = [];

  /** Throws EMFILE, ENFILE; none is held then. */
  constructor(count: number) {
    this.#count = count;
    try {
      this.#take();
    } catch (error) {
      this.release();
      throw error;
    }
  }

  /** Holds them again, as many as there is room for. */
  tryToTake(): void {
    try {
      this.#take();
    } catch {
      // Fewer may do.
    }
  }

  #take(): void {
    while (this.#held.length < this.#count) this.#held.push(openSync('/dev/null', 'r'));
  }

  release(): void {
    for (const descriptor of this.#held.splice(0)) closeSync(descriptor);
  }
}
