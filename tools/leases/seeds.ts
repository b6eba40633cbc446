import { randomNumbers } from '../simulator/random.js';
import { type Faults, type Outcome, Simulation } from './simulation.js';

/** Simulated time of a run, ms. */
const RUN_MS = 40_000;

/** Room for rounding: rates are multiples of 1/1024, and the floor of each host is rounded up to one. */
const ROUNDING = 1e-9;

const NO_FAULTS: Faults = {
  ...{ loss: 0, twice: 0, delayMs: 1, drift: 0, cut: 0, kill: 0, stop: 0 },
  ...{ lost: 0, restart: 0, restore: 0, step: 0 },
};

/** The faults of a seed: each kind is there in about half of all seeds. */
export function faultsOf(seed: number): Faults {
  const random = randomNumbers(seed * 7919);
  random();
  const faults: Record<string, number> = { ...NO_FAULTS };
  const most: Faults = {
    ...{ loss: 0.3, twice: 0.3, delayMs: 600, drift: 0.01, cut: 0.05, kill: 0.05, stop: 0.1 },
    ...{ lost: 0.05, restart: 0.1, restore: 0.1, step: 0.1 },
  };
  for (const [kind, value] of Object.entries(most)) {
    if (random() < 0.5) faults[kind] = value * random();
  }
  return faults as unknown as Faults;
}

/** The large ones are rare, for they take hundreds of times as long: 2 to 6 hosts, 10 to 100, 1,000. */
export function hostsOf(seed: number): number {
  const random = randomNumbers(seed * 15_485_863);
  random();
  if (seed % 500 === 0) return 1000;
  return seed % 40 === 0 ? Math.round(10 ** (1 + random())) : 2 + Math.floor(5 * random());
}

/** Runs a seed. `faults` of the result are sentences about what must not be. */
export function simulate(
  seed: number,
  hosts: number | undefined,
): Outcome & { hosts: number; faults: string[] } {
  const random = randomNumbers(seed * 104_729);
  random();
  const count = hosts ?? hostsOf(seed);
  const safePart = random() < 0.3 ? null : 0.1 * random() ** 2;
  const outcome = new Simulation(seed, count, RUN_MS, faultsOf(seed), safePart).run();
  const faults: string[] = [];
  if (outcome.worst > 1 + ROUNDING) faults.push('grants summed above the limit');
  if (outcome.leastSafe < 1 - ROUNDING) faults.push('a host without a grant had less than is safe');
  if (outcome.used < 0.95) faults.push('the limit was not used up in the end');
  if (outcome.least < 0.95) faults.push('a host had less than its fair part in the end');
  return { ...outcome, hosts: count, faults };
}
