import type { Bursts } from '../throttle/bursts.js';
import {
  cappedLimits,
  type Limits,
  MAX_RATE,
  ofAllRates,
  RATES,
  type RateKey,
} from '../throttle/limits.js';
import { refuse } from '../util/errors.js';

/** A limit that grows with images: so much a second for each GiB of them, and never less than a minimum. */
export interface PerGb {
  readonly rate: number;
  /** 0: none. */
  readonly minimum: number;
}

/** The keys of `io.per_gb`. Null: the limit does not grow. */
export type PerGbs = Record<RateKey, PerGb | null>;

/** What the limits of a group that grow have come to. Plain data. */
export interface Sized {
  /** Of the images and partitions that are members of the group. */
  bytes: number;
  /** In force, per second; Infinity: none. */
  limits: Partial<Record<RateKey, number>>;
}

/** What the user has set. */
interface Stated {
  readonly limits: Limits;
  readonly bursts: Bursts;
  readonly perGb: PerGbs;
}

const GIB = 2 ** 30;

/** As Cinder has it, for any size: max(rate x GiB, minimum). Without images the minimum, or no limit. */
function capOf({ rate, minimum }: PerGb, bytes: number): number {
  if (bytes === 0) return minimum || Infinity;
  const grown = Math.max(1, Math.floor((rate * bytes) / GIB));
  return Math.min(MAX_RATE, Math.max(minimum, grown));
}

/** The limits of a group with some that grow: what its user has set, and what it comes to. */
export class SizedLimits {
  readonly #stated: Stated;
  /** Of all images and partitions that are members. */
  bytes = 0;

  constructor({ limits, bursts }: Pick<Stated, 'limits' | 'bursts'>) {
    const perGb = ofAllRates(null);
    this.#stated = { limits: { ...limits }, bursts: { ...bursts }, perGb };
  }

  get stated(): Readonly<Stated> {
    return this.#stated;
  }

  /**
   * Takes a change in. A burst stays whatever its limit comes to; if the limit does not grow any more, it has to fit.
   * @returns the rates whose bursts do not
   */
  change(changes: { [Part in keyof Stated]?: Partial<Stated[Part]> | undefined }): RateKey[] {
    const { limits, bursts, perGb } = this.#stated;
    Object.assign(limits, changes.limits);
    Object.assign(bursts, changes.bursts);
    Object.assign(perGb, changes.perGb);
    const dropped = RATES.filter((key) => {
      return perGb[key] === null && (bursts[key]?.rate ?? Infinity) < limits[key];
    });
    for (const key of dropped) bursts[key] = null;
    return dropped;
  }

  /** Some limit grows. */
  get isSized(): boolean {
    return RATES.some((key) => this.#stated.perGb[key] !== null);
  }

  get sized(): Sized {
    const { limits } = this.inForce;
    const keys = RATES.filter((key) => this.#stated.perGb[key] !== null);
    return { bytes: this.bytes, limits: Object.fromEntries(keys.map((key) => [key, limits[key]])) };
  }

  /** What holds now. A burst that is below its limit, or has none, is left out. */
  get inForce(): Pick<Stated, 'limits' | 'bursts'> {
    const { perGb, bursts: stated, ...others } = this.#stated;
    const limits = cappedLimits(others.limits, (key) => {
      const grown = perGb[key];
      return grown === null ? Infinity : capOf(grown, this.bytes);
    });
    const bursts = { ...stated };
    for (const key of RATES) if ((stated[key]?.rate ?? 0) < limits[key]) bursts[key] = null;
    return { limits, bursts };
  }
}

/** `Sized` as JSON, which has no Infinity: null. */
export interface SizedJson {
  bytes: number;
  limits: Partial<Record<RateKey, number | null>>;
}

export function sizedJson({ bytes, limits }: Sized): SizedJson {
  const entries = Object.entries(limits).map(([key, rate]) => [
    key,
    rate === Infinity ? null : rate,
  ]);
  return { bytes, limits: Object.fromEntries(entries) };
}

export function readSized({ bytes, limits }: SizedJson): Sized {
  const entries = Object.entries(limits).map(([key, rate]) => [key, rate ?? Infinity]);
  return { bytes, limits: Object.fromEntries(entries) };
}

/** The limits in force of a group, from what its user has set. */
export function limitsInForce(stated: Limits, sized: Sized | null | undefined): Limits {
  return { ...stated, ...sized?.limits };
}

/** Throws EINVAL (a rate that is not above 0), ERANGE (above 10^15). */
export function checkPerGbs(perGbs: Partial<PerGbs>): void {
  for (const [key, value] of Object.entries(perGbs)) {
    if (value === null) continue;
    const what = `per_gb.${key}=${value.rate}/${value.minimum}`;
    if (!(value.rate > 0 && value.minimum >= 0)) throw refuse(`${what}: not a rate above 0`);
    if (Math.max(value.rate, value.minimum) > MAX_RATE) {
      throw refuse(`${what}: above the largest rate, 10^15`, 'ERANGE');
    }
  }
}
