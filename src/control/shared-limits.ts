import { newSharedFigures } from '../lease/figures.js';
import { stepDown } from '../lease/rates.js';
import { cappedLimits, type Limits } from '../throttle/limits.js';

/** The limits of a group that hosts share: what its user has set, and what this host has of it. */
export class SharedLimits {
  readonly #firstPart: number;
  readonly figures = newSharedFigures();
  /** What the user has set. */
  stated: Limits;
  #granted: Partial<Limits> = {};

  /** @param firstPart The part that holds until there is a grant. */
  constructor(firstPart: number, stated: Limits) {
    this.#firstPart = firstPart;
    this.stated = { ...stated };
  }

  grant(granted: Partial<Limits>): void {
    this.#granted = granted;
  }

  /** What holds on this host. */
  get inForce(): Limits {
    return cappedLimits(this.stated, (key, stated) => {
      if (stated === Infinity) return stated;
      return this.#granted[key] ?? stepDown(this.#firstPart * stated);
    });
  }
}
