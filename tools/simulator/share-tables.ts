import { fairFrom, isolation, jain, percentile, sharesOf, sumOf } from '../lib/shares.js';
import { type Choice, simulate, type Table, text, two } from './report.js';
import type { Load, Result } from './simulation.js';

/** Length of a stretch in seconds: shares must hold in each. */
const STRETCH = 0.1;
const NO_WINDOW = 4096;

interface Case {
  readonly name: string;
  readonly loads: Load[];
  /** Weights of groups without loads, and what each load is due, as parts of the whole. */
  readonly weights?: Readonly<Record<string, number>>;
  readonly due?: readonly number[];
}

const alike = (count: number, threads: number): Load[] =>
  Array.from({ length: count }, (_, i) => ({ group: `g${i}`, weight: 100, threads }));

const pair = (a: number, b: number, threads: number, first = {}, second = {}): Load[] => {
  const [one, other] = two(a, b, threads);
  return [
    { ...one, ...first },
    { ...other, ...second },
  ];
};

const CASES: readonly Case[] = [
  { name: '80:20, 128 + 128 threads', loads: pair(80, 20, 128) },
  { name: '50:50', loads: pair(50, 50, 128) },
  { name: '10:90', loads: pair(10, 90, 128) },
  { name: '80:20, 4 + 4 threads', loads: pair(80, 20, 4) },
  { name: '80:20, 32 + 128 threads', loads: pair(80, 20, 128, { threads: 32 }) },
  { name: '80:20, both think for 1 ms', loads: pair(80, 20, 128, { think: 1e6 }, { think: 1e6 }) },
  { name: '80:20, 64 KiB against 4 KiB', loads: pair(80, 20, 128, { bytes: 65536 }) },
  { name: '80:20, 4 KiB against 64 KiB', loads: pair(80, 20, 128, {}, { bytes: 65536 }) },
  { name: '50:50, reads against writes', loads: pair(50, 50, 128, {}, { writes: true }) },
  {
    name: '60:30:10',
    loads: [60, 30, 10].map((weight, i) => ({ group: `g${i}`, weight, threads: 128 })),
  },
  {
    name: '80 (75:25) : 20',
    loads: [
      { group: 'a/x', weight: 75, threads: 128 },
      { group: 'a/y', weight: 25, threads: 128 },
      { group: 'b', weight: 20, threads: 128 },
    ],
    weights: { a: 80 },
    due: [60, 20, 20],
  },
  { name: '8 groups of 1 to 8, 16 threads each', loads: alike(8, 16).map(weighted) },
];

function weighted(load: Load, index: number): Load {
  return { ...load, weight: index + 1 };
}

const work = (result: Result): number => sumOf(result.series).reduce((sum, cost) => sum + cost, 0);

/** Shares in stretches of a tenth of a second, and the work done beside that without a window. */
export function stretches(choice: Choice): Table {
  const rows = CASES.map(({ name, loads, weights, due }) => {
    const more = weights === undefined ? { every: STRETCH } : { every: STRETCH, weights };
    const found = simulate(choice, loads, 'auto', more);
    const without = simulate(choice, loads, NO_WINDOW, more);
    const wanted = due ?? loads.map(({ weight }) => weight);
    const all = isolation(found.series, wanted);
    return [
      name,
      sharesOf(sumOf(found.series))
        .map((share) => text(share))
        .join(' '),
      text(percentile(all, 1)),
      text(jain(sumOf(found.series), wanted), 4),
      text((100 * work(found)) / work(without), 0),
      `${Math.min(...found.depths)} to ${Math.max(...found.depths)}`,
    ];
  });
  const head = ['weights', 'shares', 'p1 of isolation', 'Jain', 'work conserved, %', 'window'];
  return { title: 'Shares in every tenth of a second', head, rows };
}

/** Jain's index of 2 to 64 groups of the same weight. */
export function indexes(choice: Choice): Table {
  const rows = [2, 4, 8, 16, 32, 64].map((count) => {
    const loads = alike(count, 256 / count);
    const due = loads.map(() => 1);
    const found = simulate(choice, loads, 'auto', { every: STRETCH });
    const least = Math.min(...found.series.map((row) => jain(row, due)));
    return [String(count), text(jain(sumOf(found.series), due), 4), text(least, 4)];
  });
  const head = ['groups', 'all the time', 'worst tenth of a second'];
  return { title: "Jain's index, 256 threads in groups of the same weight", head, rows };
}

/** Groups that start and stop beside one that goes on: the times until shares are fair, in ms. */
export function starts(choice: Choice): Table {
  const rows = [
    [80, 128],
    [50, 128],
    [10, 128],
    [80, 8],
  ].map(([weight, threads]) => {
    const loads = pair(weight, 100 - weight, 128, { threads, from: 1, until: 2 });
    const seconds = { ...choice, seconds: 2.5 };
    const { series } = simulate(seconds, loads, 'auto', { warmUp: 0, every: 0.005 });
    const fair = fairFrom(isolation(series.slice(200, 400), [weight, 100 - weight]), 90, 4);
    const usual = sumOf(series.slice(100, 200))[1] / 100;
    const alone = series.slice(400).findIndex(([, second]) => second >= 0.9 * usual);
    const name = `${weight}:${100 - weight}, ${threads} threads beside 128`;
    return [name, `${5 * (fair + 1)}`, `${5 * (alone + 1)}`];
  });
  const head = ['weights', 'start: fair within, ms', 'stop: the other has all within, ms'];
  return { title: 'A group starts and stops', head, rows };
}

/** A group with few threads beside one that fills the device. */
export function neighbours(choice: Choice): Table {
  const rows = [
    { threads: 1 },
    { threads: 4 },
    { threads: 4, think: 1e6 },
    { threads: 16 },
  ].flatMap((few) =>
    [80, 50].map((weight) => {
      const loads = pair(weight, 100 - weight, 128, few);
      const alone = simulate(choice, loads.slice(0, 1), 'auto');
      const without = simulate(choice, loads, NO_WINDOW);
      const found = simulate(choice, loads, 'auto');
      const impact = (result: Result): string => text(result.latencies[0] / alone.latencies[0], 1);
      return [
        `${weight}:${100 - weight}, ${few.threads} ${few.think === undefined ? '' : 'that think '}beside 128`,
        text((100 * found.rates[0]) / alone.rates[0], 0),
        `${impact(found)} (${impact(without)})`,
        text((100 * work(found)) / work(without), 0),
      ];
    }),
  );
  const head = [
    'threads',
    'A of its solo rate, %',
    'latency impact (no window)',
    'work conserved, %',
  ];
  return { title: 'Neighbour of a group that fills the device', head, rows };
}
