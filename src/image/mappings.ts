import { type Mapping, mapAnonymous, mapShared, unmap, unmapShared } from '../sys/memory.js';
import { SluiceError } from '../util/errors.js';

/** The memory that one image takes outside the JavaScript heap, given back as a whole when the image goes. */
export class Mappings {
  readonly #made: Mapping[] = [];
  readonly #shared: Mapping[] = [];
  readonly #take: (length: number) => Mapping;
  readonly #giveBack: (mapping: Mapping) => void;

  /**
   * @param take See `mapAnonymous`.
   * @param giveBack The opposite.
   */
  constructor(take = mapAnonymous, giveBack = unmap) {
    this.#take = take;
    this.#giveBack = giveBack;
  }

  /** Memory that the image cannot be without. See `mapAnonymous`. */
  map(length: number): Mapping {
    const made = this.#take(length);
    this.#made.push(made);
    return made;
  }

  /** Memory with which more can be done at a time; null if there is none. */
  mapMore(length: number): Mapping | null {
    try {
      return this.map(length);
    } catch (error) {
      if (error instanceof SluiceError && error.errno === 'ENOMEM') return null;
      throw error;
    }
  }

  /** The first `length` bytes of a file in memory. See `mapShared`. */
  share(descriptor: number, length: number): ArrayBuffer {
    const shared = mapShared(descriptor, 0, length);
    this.#shared.push(shared);
    return shared.buffer;
  }

  /** Nothing of the image is under way, and nothing of it is used again. */
  release(): void {
    for (const mapping of this.#made.splice(0)) this.#giveBack(mapping);
    for (const mapping of this.#shared.splice(0)) unmapShared(mapping);
  }
}
