import { Mappings } from '../../src/image/mappings.js';
import { type Mapping, mapAnonymous, unmap } from '../../src/sys/memory.js';
import { EXIT_FAILED, SluiceError } from '../../src/util/errors.js';
import type { Random } from '../exerciser/random.js';
import type { Coverage } from './coverage.js';

/** The system has no memory in one session of this many, and then for one of so many mappings. */
const LACKING = 4;
const REFUSED = 2;

/** The memory of a session's images. Once the mount is there, the system may have no more of it. */
export class SimMappings {
  isMounted = false;
  readonly #random: Random;
  readonly #coverage: Coverage;
  readonly #lacks: boolean;
  readonly #made: Mappings[] = [];

  constructor(random: Random, coverage: Coverage) {
    this.#random = random;
    this.#coverage = coverage;
    this.#lacks = random.oneIn(LACKING);
  }

  /** Whether an image may be refused for want of memory. */
  get lacksMemory(): boolean {
    return this.#lacks;
  }

  /** Those of an image that comes. */
  readonly forImage = (): Mappings => {
    const made = new Mappings((length) => this.#map(length), unmap);
    this.#made.push(made);
    return made;
  };

  /** The session is over, and nobody uses its memory. */
  release(): void {
    for (const made of this.#made) made.release();
  }

  #map(length: number): Mapping {
    if (this.isMounted && this.#lacks && this.#random.oneIn(REFUSED)) {
      this.#coverage.add('memory refused');
      throw new SluiceError(`no memory for ${length} bytes: ENOMEM`, 'ENOMEM', EXIT_FAILED);
    }
    return mapAnonymous(length);
  }
}
