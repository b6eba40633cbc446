import { type Mapping, mapAnonymous, unmap } from '../sys/memory.js';

/** The memory that one image takes outside the JavaScript heap, given back as a whole when the image goes. */
export class Mappings {
  readonly #made: Mapping[] = [];

  /** See `mapAnonymous`. */
  map(length: number): Mapping {
    const made = mapAnonymous(length);
    this.#made.push(made);
    return made;
  }

  /** Nothing of the image is under way, and nothing of it is used again. */
  release(): void {
    for (const mapping of this.#made.splice(0)) unmap(mapping);
  }
}
