import * as abi from '../../src/uring/abi.js';
import { Random } from '../exerciser/random.js';
import type { HostPlan } from './host-plan.js';

/** A stream of random numbers. */
const SLOW_READS = 8;

/** How long operations of the host take. */
export class HostDelays {
  /** The next read of each of these files takes long. */
  readonly slow = new Set<unknown>();
  readonly #plan: HostPlan;
  /** Half of all reads take long, so that what they read can be written, flushed, freed and used again meanwhile. */
  readonly #areReadsSlow: boolean;

  constructor(plan: HostPlan) {
    this.#plan = plan;
    this.#areReadsSlow = new Random(plan.seed, SLOW_READS).oneIn(4);
  }

  /** Nanoseconds; Infinity: it never ends. */
  of(file: unknown, opcode: number, random: Random): number {
    const { usualNs, longestNs, flushNs, stuck } = this.#plan;
    if (opcode === abi.OP_READ && this.slow.delete(file)) {
      return random.below(8 * flushNs + 200 * usualNs);
    }
    if (stuck > 0 && random.oneIn(stuck)) return Infinity;
    if (opcode === abi.OP_FSYNC) return flushNs / 2 + random.below(flushNs);
    if (random.oneIn(this.#areReadsSlow && opcode === abi.OP_READ ? 2 : 50)) {
      return random.below(longestNs);
    }
    return usualNs / 2 + random.below(usualNs);
  }
}
