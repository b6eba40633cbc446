import type { Bursts } from '../throttle/bursts.js';
import { RATES } from '../throttle/limits.js';
import type { Group, Throttle } from '../throttle/throttle.js';
import type { Changes } from './settings.js';
import { SizedLimits } from './sized-limits.js';

/** Sizes are looked at no more often than this, ns, unless something is known to have changed. */
const FOLLOW_EVERY_NS = 100e6;

/** Bytes of the images and partitions of a mount, by their names. */
type Sizes = ReadonlyMap<string, number>;

/** The groups with limits that grow with their images. */
export class SizedGroups {
  readonly #throttle: Throttle;
  readonly #sizes: () => Sizes;
  readonly #groups = new Map<Group, SizedLimits>();
  #lookAtNs = 0;

  constructor(throttle: Throttle, sizes: () => Sizes) {
    this.#throttle = throttle;
    this.#sizes = sizes;
  }

  /** Undefined: no limit of the group grows. */
  of(group: Group): SizedLimits | undefined {
    return this.#groups.get(group);
  }

  /** Makes a change of limits and bursts that has been checked. */
  apply(group: Group, changes: Changes, now: number): void {
    const { limits, bursts, perGb } = changes;
    const known = this.#groups.get(group);
    if (known === undefined && Object.values(perGb ?? {}).every((one) => one === null)) {
      if (limits !== undefined) this.#throttle.setLimits(group, limits, now);
      if (bursts !== undefined) this.#throttle.setBursts(group, bursts, now);
      return;
    }
    if ([limits, bursts, perGb].every((part) => part === undefined)) return;
    const sized = known ?? new SizedLimits(group);
    for (const key of sized.change({ limits, bursts, perGb })) {
      const what = `the burst of ${key} does not fit its new limit: dropped`;
      this.#throttle.warnings.push(`group "${group.path}": ${what}`);
    }
    if (sized.isSized) this.#groups.set(group, sized);
    else this.#groups.delete(group);
    sized.bytes = this.#bytesOf(group, this.#sizes());
    this.#enforce(group, sized, now);
  }

  /**
   * Lets limits follow the sizes of images.
   * @param isDue False: sizes may have changed, and are looked at ten times a second at most.
   * @returns groups whose images have another size than before
   */
  follow(isDue: boolean, now: number): Group[] {
    if (this.#groups.size === 0 || (!isDue && now < this.#lookAtNs)) return [];
    this.#lookAtNs = now + FOLLOW_EVERY_NS;
    const sizes = this.#sizes();
    const { warnings } = this.#throttle;
    const told = warnings.length;
    const changed = [...this.#groups].filter(([group, sized]) => {
      const bytes = this.#bytesOf(group, sizes);
      if (bytes === sized.bytes) return false;
      sized.bytes = bytes;
      this.#enforce(group, sized, now);
      return true;
    });
    // A minimum that does not fit is told when the user sets it.
    warnings.length = told;
    return changed.map(([group]) => group);
  }

  remove(group: Group): void {
    this.#groups.delete(group);
  }

  #bytesOf(group: Group, sizes: Sizes): number {
    const names = [...group.members].map((member) => this.#throttle.memberName(member));
    return names.reduce((sum, name) => sum + (sizes.get(name) ?? 0), 0);
  }

  /** Bursts that end go first, or the throttle would warn that they do not fit; those that begin need their limits. */
  #enforce(group: Group, sized: SizedLimits, now: number): void {
    const { limits, bursts } = sized.inForce;
    const ended: Partial<Bursts> = {};
    for (const key of RATES) if (bursts[key] === null) ended[key] = null;
    this.#throttle.setBursts(group, ended, now);
    this.#throttle.setLimits(group, limits, now);
    this.#throttle.setBursts(group, bursts, now);
  }
}
