import { DEVICES } from './devices.js';
import { firstShare, type Load, type Result, type Settings, Simulation } from './simulation.js';

export interface Table {
  readonly title: string;
  readonly head: string[];
  readonly rows: string[][];
}

/** Weights of dm-ioband's published tables, and A's shares: with processes of hosts, at io_throttle 1. */
const PUBLISHED = [
  { weights: [80, 20], many: '80.6', few: '75.8, 71.1' },
  { weights: [50, 50], many: '-', few: '55.5, 49.3' },
  { weights: [20, 80], many: '-', few: '39.8, 21.4' },
  { weights: [10, 90], many: '-', few: '21.1, 16.4' },
] as const;
const DEPTHS = ['auto', 4096, 128, 96, 64, 32, 16, 8, 4, 2, 1] as const;

export const text = (value: number, digits = 1): string => value.toFixed(digits);

export interface Choice {
  readonly device: string;
  readonly seconds: number;
  readonly seed: number;
}

export function simulate(
  choice: Choice,
  loads: Load[],
  depth: 'auto' | number,
  more: Partial<Settings> = {},
): Result {
  const settings: Settings = {
    device: DEVICES[choice.device],
    loads,
    depth,
    seconds: choice.seconds,
    warmUp: choice.seconds / 4,
    seed: choice.seed,
    ...more,
  };
  return new Simulation(settings).run();
}

export const two = (a: number, b: number, threads: number): Load[] => [
  { group: 'a', weight: a, threads },
  { group: 'b', weight: b, threads },
];

/** dm-ioband's tables: weights with many requests in flight and with few. */
export function ioband(choice: Choice): Table {
  const rows = PUBLISHED.map(({ weights: [a, b], many, few }) => {
    const all = simulate(choice, two(a, b, 128), 'auto');
    const fixed = simulate(choice, two(a, b, 4), 2);
    const auto = simulate(choice, two(a, b, 4), 'auto');
    const shares = [all, fixed, auto].map((result) => text(firstShare(result)));
    return [`${a}:${b}`, many, shares[0], few, shares[1], shares[2]];
  });
  const head = ['weights', 'dm-ioband 2 x 128', 'ours', 'dm-ioband few', '4 + 4, depth 2', 'auto'];
  return { title: 'Share of A in percent', head, rows };
}

/** Share and throughput by window. */
export function window(choice: Choice, threads: number): Table {
  const rows = DEPTHS.map((depth) => {
    const result = simulate(choice, two(80, 20, threads), depth);
    const found =
      depth === 'auto'
        ? `auto (${Math.min(...result.depths)} to ${Math.max(...result.depths)})`
        : String(depth);
    return [found, text(firstShare(result)), text(result.total, 0)];
  });
  const head = ['window', 'share of A', 'requests/s'];
  return { title: `Weights 80:20, ${threads} + ${threads} threads`, head, rows };
}

/** One thread with weight 80 against 128 with weight 20. */
export function single(choice: Choice): Table {
  const one: Load = { group: 'a', weight: 80, threads: 1 };
  const crowd: Load = { group: 'b', weight: 20, threads: 128 };
  const alone = simulate(choice, [one], 'auto').total;
  const targets = [Infinity, 2, 1.5, 1.2, 1];
  const rows = targets.flatMap((factor) =>
    (['auto', 4096, 64, 4] as const).map((depth) => {
      const latencyTarget = (factor * 1e9) / alone;
      const first = factor === Infinity ? one : { ...one, latencyTarget };
      const [a, b] = simulate(choice, [first, crowd], depth).rates;
      const target = factor === Infinity ? 'none' : `${factor} x alone`;
      return [target, String(depth), text(a, 0), text((100 * a) / alone), text(b, 0)];
    }),
  );
  const head = ['io.latency', 'window', 'A, requests/s', '% of alone', 'B, requests/s'];
  return { title: 'One thread against 128 (dm-ioband: 2.0 % against 98.0 %)', head, rows };
}

/** Three groups, and a tree of two levels. */
export function trees(choice: Choice): Table {
  const flat = [60, 30, 10].map((weight, i) => ({ group: `g${i}`, weight, threads: 128 }));
  const deep = [
    { group: 'a/x', weight: 300, threads: 64 },
    { group: 'a/y', weight: 100, threads: 64 },
    { group: 'b', weight: 20, threads: 128 },
  ];
  const rows = [
    row('60:30:10', '60.0 30.0 10.0', simulate(choice, flat, 'auto')),
    row(
      '80:(300:100), 20',
      '60.0 20.0 20.0',
      simulate(choice, deep, 'auto', { weights: { a: 80 } }),
    ),
  ];
  return { title: 'More groups', head: ['weights', 'ideal', 'shares', 'requests/s'], rows };
}

function row(name: string, ideal: string, result: Result): string[] {
  const shares = result.rates.map((rate) => text((100 * rate) / result.total)).join(' ');
  return [name, ideal, shares, text(result.total, 0)];
}

/** Minimums: a group of small weight gets its minimum first; two minimums that are too high are scaled. */
export function minimums(choice: Choice): Table {
  const loads = (a: number, b: number): Load[] => [
    { group: 'a', weight: 1, threads: 128, minimum: a },
    { group: 'b', weight: 99, threads: 128, minimum: b },
  ];
  const rows = [
    [10000, 0],
    [30000, 10000],
    [300000, 100000],
  ].map(([a, b]) => {
    const { rates } = simulate(choice, loads(a, b), 32);
    return [`${a}, ${b}`, text(rates[0], 0), text(rates[1], 0)];
  });
  const title = 'Minimums in requests/s, weights 1:99, window 32';
  return { title, head: ['minimums', 'A, requests/s', 'B, requests/s'], rows };
}

/** Many groups at once: the largest and the smallest error of a share, in requests. */
export function many(choice: Choice, groups: number): Table {
  const loads = Array.from({ length: groups }, (_, i) => ({
    group: `g${i}`,
    weight: 1 + (i % 100),
    threads: 2,
  }));
  const sum = loads.reduce((total, { weight }) => total + weight, 0);
  const started = performance.now();
  const result = simulate({ ...choice, seconds: choice.seconds * 4 }, loads, 32);
  const took = performance.now() - started;
  let worst = 0;
  for (const [i, rate] of result.rates.entries()) {
    const ideal = (result.total * loads[i].weight) / sum;
    worst = Math.max(worst, Math.abs(rate - ideal) * choice.seconds * 3);
  }
  const rows = [[String(groups), text(result.total, 0), text(worst), text(took, 0)]];
  const head = ['groups', 'requests/s', 'largest error, requests', 'ms'];
  return { title: 'A sweep of groups with weights 1 to 100', head, rows };
}
