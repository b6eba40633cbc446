import { newSharedFigures } from '../lease/figures.js';
import { stepDown } from '../lease/rates.js';
import { cappedLimits, type Limits } from '../throttle/limits.js';
import { refuse } from '../util/errors.js';
import type { Changes } from './settings.js';

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

/** Throws EINVAL for what a group cannot have whose limits hosts share. */
export function checkShared({ bursts = {}, perGb = {} }: Changes): void {
  const isAny = (values: object) => Object.values(values).some((one) => one !== null);
  if (isAny(bursts)) {
    const why = 'hosts share the limits of the group, and each of them would have the burst';
    throw refuse(`burst: ${why}`);
  }
  if (isAny(perGb)) {
    const why = 'hosts share the limits of the group, and each of them may have other images';
    throw refuse(`per_gb: ${why}`);
  }
}
