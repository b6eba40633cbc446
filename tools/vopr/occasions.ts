import type { Daemons } from './daemons.js';
import type { DeathPlan } from './death.js';
import type { FuseKernel } from './fuse-kernel.js';
import type { SessionPlan } from './plan.js';
import type { World } from './world.js';

/** When the plan lets daemons die, and others follow them. */
export class Occasions {
  readonly #plan: SessionPlan;
  readonly #world: World;
  readonly #kernel: FuseKernel;
  readonly #daemons: Daemons;
  #changes = 0;

  constructor(plan: SessionPlan, world: World, kernel: FuseKernel, daemons: Daemons) {
    this.#plan = plan;
    this.#world = world;
    this.#kernel = kernel;
    this.#daemons = daemons;
  }

  /** Hand-overs and deaths come at requests of callers: nobody knows how long these take. */
  awaitRequests(): void {
    const kernel = this.#kernel;
    const { handOvers, deaths } = this.#plan;
    const before = kernel.count;
    if (handOvers.length + deaths.length === 0) return;
    kernel.asked = () => {
      const sent = kernel.count - before;
      for (const plan of handOvers) {
        if (plan.after !== sent) continue;
        this.came('hand-over');
        this.#world.schedule(0, () => this.#daemons.handOver(plan));
      }
      for (const plan of deaths) {
        if (plan.occasion === 'requests' && plan.after === sent) this.#kill(plan, 0);
      }
    };
  }

  /** Something that daemons die after. */
  came(occasion: DeathPlan['occasion']): void {
    for (const plan of this.#plan.deaths) {
      if (plan.occasion === occasion) this.#kill(plan, plan.after);
    }
  }

  /** A caller is about to ask for a change: the daemon that takes it may die in the same turn. */
  changes(): void {
    this.#changes++;
    for (const plan of this.#plan.deaths) {
      if (plan.occasion === 'change' && plan.after === this.#changes) this.#daemons.kill(plan);
    }
  }

  #kill(plan: DeathPlan, afterNs: number): void {
    this.#world.schedule(afterNs, () => this.#daemons.kill(plan));
  }
}
