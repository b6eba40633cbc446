import type { BucketPaths } from './bucket-paths.js';
import { type Bursts, checkBursts, RATES } from './bursts.js';
import type { Dispatcher } from './dispatcher.js';
import type { Group } from './group.js';
import type { LeakyBuckets } from './leaky-buckets.js';
import { checkLimits, type Limits } from './limits.js';
import { minimumWarning } from './minimum-warning.js';

/** Changes the limits of groups, and with them the buckets. */
export class GroupLimits {
  readonly #buckets: LeakyBuckets;
  readonly #paths: BucketPaths;
  readonly #dispatcher: Dispatcher;
  readonly #warnings: string[];

  constructor(
    buckets: LeakyBuckets,
    paths: BucketPaths,
    dispatcher: Dispatcher,
    warnings: string[],
  ) {
    this.#buckets = buckets;
    this.#paths = paths;
    this.#dispatcher = dispatcher;
    this.#warnings = warnings;
  }

  /** See Throttle. */
  setLimits(group: Group, limits: Partial<Limits>, now: number): void {
    checkLimits(limits);
    this.#beforeChange(group, now);
    Object.assign(group.limits, limits);
    for (const key of RATES) {
      const burst = group.bursts[key];
      if (burst === null || burst.rate >= group.limits[key]) continue;
      group.bursts[key] = null;
      this.#warnings.push(
        `group "${group.path}": the burst of ${key} does not fit its new limit: dropped`,
      );
    }
    this.#changed(group, now);
    this.#warnings.push(...minimumWarning(group));
  }

  /** See Throttle. */
  setBursts(group: Group, bursts: Partial<Bursts>, now: number): void {
    checkBursts(bursts, group.limits);
    this.#beforeChange(group, now);
    Object.assign(group.bursts, bursts);
    this.#changed(group, now);
  }

  #beforeChange(group: Group, now: number): void {
    if (this.#dispatcher.waiting > 0) this.#dispatcher.beforeChange(now);
    else {
      this.#buckets.capGroup(group.id, now);
      this.#dispatcher.clock = now;
    }
  }

  #changed(group: Group, now: number): void {
    this.#buckets.setLimits(group.id, group.limits, now, group.bursts);
    this.#paths.rebuild(group);
    if (this.#dispatcher.waiting > 0) this.#dispatcher.rebuild(now);
  }
}
