import { type Capacity, MEMORY_BYTES, Memory } from '../../src/buffers/memory.js';
import { type Mapping, mapAnonymous } from '../../src/sys/memory.js';
import { Failure } from './world.js';

/** Memory for one data plane after the other. */
export function mapMemory(): Mapping {
  return mapAnonymous(MEMORY_BYTES);
}

let spare: Mapping | undefined;

/** Memory for a data plane while there is another one with that of the run. */
export function spareMemory(): Mapping {
  spare ??= mapMemory();
  return spare;
}

/** The data plane's memory, which knows the slots that are taken. */
export class SimMemory extends Memory {
  readonly #taken = new Set<number>();

  constructor(capacity: Capacity, mapping: Mapping) {
    super(capacity, mapping);
  }

  override takeSlot(): number {
    const slot = super.takeSlot();
    if (slot < 0) throw new Failure('no slot is free for a request that needs one');
    this.#taken.add(slot);
    return slot;
  }

  override releaseSlot(slot: number): void {
    if (!this.#taken.delete(slot)) throw new Failure(`slot ${slot} is released twice`);
    super.releaseSlot(slot);
  }

  get taken(): number {
    return this.#taken.size;
  }

  override trim(): void {}
  override trimPool(): void {}
}
