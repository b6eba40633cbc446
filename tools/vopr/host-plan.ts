import { ERRNO } from '../../src/util/errno.js';
import { Random } from '../exerciser/random.js';

/** The first stream of random numbers. */
const HOST = 1000;

/** How a simulated host behaves. */
export interface HostPlan {
  /** Of the random numbers. */
  seed: number;
  /** One of this many operations fails; 0: none. */
  faults: number;
  /** This operation fails, counted from 1, and with `forever` every later one. 0: none. */
  failing: number;
  forever: boolean;
  /** One of this many transfers is short; 0: none. */
  shorts: number;
  /** One of this many operations never ends; 0: none. */
  stuck: number;
  /** Usual and longest time of an operation, nanoseconds. */
  usualNs: number;
  longestNs: number;
  /** Time of an fsync. */
  flushNs: number;
  /** One of this many replies is refused by the kernel; 0: none. */
  refusals: number;
  /** The host has no fallocate. */
  plain: boolean;
  /** Bytes past its present end up to which a file can grow. */
  room: number;
  /** Offsets, lengths and addresses must be multiples of this. */
  alignment: number;
}

export function makeHost(
  random: Random,
  seed: number,
  number: number,
  alignments: readonly number[],
): HostPlan {
  const isFaulty = random.oneIn(2);
  const usualNs = [2_000, 20_000, 100_000, 2e6][random.below(4)]!;
  return {
    seed: seed + 7919 * number,
    faults: isFaulty && random.oneIn(2) ? 10 + random.below(200) : 0,
    failing: 0,
    forever: false,
    shorts: isFaulty && random.oneIn(2) ? 10 + random.below(100) : 0,
    stuck: isFaulty && random.oneIn(8) ? 50 + random.below(200) : 0,
    refusals: isFaulty && random.oneIn(3) ? 50 + random.below(300) : 0,
    usualNs,
    longestNs: random.oneIn(3) ? 2e9 : usualNs * 20,
    flushNs: [1000, 1e6, 50e6, 1e9, 10e9][random.below(5)]!,
    plain: random.oneIn(5),
    room: isFaulty && random.oneIn(3) ? random.below(1 << random.below(22)) : Infinity,
    alignment: alignments[random.below(alignments.length)]!,
  };
}

/** The random numbers of one operation of the host. */
export function hostRandom(plan: HostPlan, operation: number): Random {
  return new Random(plan.seed, HOST + operation);
}

/** Nothing goes wrong. */
export function isQuiet({ faults, shorts, stuck, refusals, failing, room }: HostPlan): boolean {
  return faults + shorts + stuck + refusals + failing === 0 && room === Infinity;
}

/** A host that could not set room aside, or not always. @param given Errno numbers that it has given, positive. */
export function lacksRoom({ plain }: HostPlan, given: ReadonlySet<number>): boolean {
  return plain || given.has(ERRNO.ENOSPC) || given.has(ERRNO.EDQUOT);
}
