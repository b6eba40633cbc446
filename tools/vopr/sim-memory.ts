import { Memory } from '../../src/buffers/memory.js';
import { Failure } from './world.js';

/** The data plane's memory, which knows the slots that are taken. */
export class SimMemory extends Memory {
  readonly #taken = new Set<number>();

  override takeSlot(): number {
    const slot = super.takeSlot();
    if (slot >= 0) this.#taken.add(slot);
    return slot;
  }

  override releaseSlot(slot: number): void {
    if (!this.#taken.delete(slot)) throw new Failure(`slot ${slot} is released twice`);
    super.releaseSlot(slot);
  }

  /** Takes everything back from a data plane that was ended in the middle. */
  reset(): void {
    for (const slot of [...this.#taken]) this.releaseSlot(slot);
  }

  get taken(): number {
    return this.#taken.size;
  }

  override trim(): void {}
  override trimPool(): void {}
}
