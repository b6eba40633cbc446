import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isolation, jain, percentile, type Series, sharesOf, sumOf } from '../lib/shares.js';
import { mountSluice, type SluiceMount } from '../lib/sluice.js';
import { type Summary, summarize } from '../lib/stats.js';
import { type Caller, makeCallers } from './callers.js';
import type { FairCase } from './cases.js';
import { Served } from './served.js';
import { startThreads, type ThreadLoad, type ThreadResult } from './threads.js';

/** Time in ms for all threads to begin. */
const START_MS = 10_000;
/** Threads end earlier, when everything is measured. */
const LONGEST_SECONDS = 3600;
/** Length in ms of one side of a pair, and of the part of it that is left out. */
const SIDE_MS = 1000;
const SETTLE_MS = 200;
/** A window that no load fills: weights have nothing to choose. */
const NO_WINDOW = '4096';

/** A folder with images `0.img`, `1.img`, ... of `size` bytes. */
export interface Place {
  folder: string;
  size: number;
}

export interface Settings {
  seconds: number;
  /** Pairs of seconds with and without a window, after the seconds that are measured. */
  pairs: number;
}

/** The figures of a case. */
export interface FairResult {
  id: string;
  published: string;
  wanted: number[];
  /** Shares of all cost served, percent, and those of each second. */
  shares: number[];
  seconds: number[][];
  /** First percentile of isolation over the seconds, percent. */
  isolationP1: number;
  jain: number;
  /** Requests a second. */
  total: number;
  /** Total with weights, in percent of that without, by pair; null if there were no pairs. */
  ofPlain: Summary | null;
  /** The first party alone: requests a second, p99 in microseconds; null if not measured. */
  solo: { iops: number; p99Us: number } | null;
  firstIops: number;
  firstP99Us: number;
  /** Values of `io.depth` in the measured seconds. */
  window: string;
  misses: string[];
}

async function members(one: FairCase): Promise<Caller[]> {
  if (one.keyed !== 'image') return makeCallers(one.keyed, one.parties.length);
  return one.parties.map((_, index) => ({ member: `i${index}`, prefix: [] }));
}

/** A mount with the groups of a case, for as long as `use` takes. */
async function withMount<T>(
  one: FairCase,
  place: Place,
  use: (mount: SluiceMount, loads: Omit<ThreadLoad, 'seconds'>[]) => Promise<T>,
): Promise<T> {
  const callers = await members(one);
  const count = one.keyed === 'image' ? one.parties.length : 1;
  const images: Record<string, string> = {};
  for (let i = 0; i < count; i++) images[`i${i}`] = join(place.folder, `${i}.img`);
  const groups = one.groups.flatMap((group) => ['--group', group]);
  const assign = one.parties.flatMap(({ group }, index) => {
    return ['--assign', `${callers[index]!.member}=${group}`];
  });
  const options = ['--allow-other', '--depth', one.depth, ...groups, ...assign];
  await chmod(place.folder, 0o755); // for callers of other users
  const mount = await mountSluice(join(place.folder, 'mount'), images, place.size, options);
  const loads = one.parties.map((party, index) => ({
    file: mount.file(one.keyed === 'image' ? `i${index}` : 'i0'),
    size: place.size,
    rw: party.rw ?? one.rw,
    bytes: party.bytes ?? 4096,
    jobs: party.jobs,
    prefix: callers[index]!.prefix,
  }));
  try {
    return await use(mount, loads);
  } finally {
    await mount.stop();
  }
}

/** The window, as `io.depth` tells it: `auto 24`, or `32`. */
async function windowOf(mount: SluiceMount): Promise<number> {
  const text = await readFile(join(mount.mountpoint, '.groups/io.depth'), 'utf8');
  return Number(text.trim().split(' ').at(-1));
}

/** Waits until all parties have requests. */
async function allRun(served: Served): Promise<void> {
  for (const until = performance.now() + START_MS; performance.now() < until; ) {
    const before = await served.sample();
    await delay(100);
    const { cost } = (await served.sample()).since(before);
    if (cost.every((one) => one > 0)) return;
  }
  throw new Error('not all threads have requests');
}

/** What each party gets in each of `seconds` seconds. */
async function everySecond(mount: SluiceMount, served: Served, seconds: number) {
  const windows: number[] = [];
  const series: number[][] = [];
  let requests = 0;
  let before = await served.sample();
  while (series.length < seconds) {
    await delay(1000);
    const now = await served.sample();
    const got = now.since(before);
    series.push(got.cost);
    requests += got.requests / got.seconds;
    windows.push(await windowOf(mount));
    before = now;
  }
  return { series, windows, total: requests / seconds };
}

/** Totals with the window of the case, in percent of those without one, in turn. */
async function inPairs(mount: SluiceMount, served: Served, one: FairCase, pairs: number) {
  const file = join(mount.mountpoint, '.groups/io.depth');
  const side = async (depth: string): Promise<number> => {
    await writeFile(file, depth);
    await delay(SETTLE_MS);
    const before = await served.sample();
    await delay(SIDE_MS - SETTLE_MS);
    const got = (await served.sample()).since(before);
    return got.cost.reduce((sum, cost) => sum + cost, 0) / got.seconds;
  };
  const percents: number[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    const order = pair % 2 === 0 ? [one.depth, NO_WINDOW] : [NO_WINDOW, one.depth];
    const totals = new Map<string, number>();
    for (const depth of order) totals.set(depth, await side(depth));
    percents.push((100 * totals.get(one.depth)!) / totals.get(NO_WINDOW)!);
  }
  return percents;
}

async function runAlone(one: FairCase, place: Place, seconds: number): Promise<ThreadResult> {
  return withMount(one, place, async (_, [first]) => {
    const [threads] = await startThreads([{ ...first!, seconds }], place.folder);
    return threads!.result;
  });
}

function judge(one: FairCase, result: Omit<FairResult, 'misses'>): string[] {
  const misses: string[] = [];
  const off = Math.max(...result.shares.map((share, i) => Math.abs(share - result.wanted[i]!)));
  if (one.tolerance !== null && off > one.tolerance) misses.push('share');
  if (one.leastP1 !== null && result.isolationP1 < one.leastP1) misses.push('p1 of isolation');
  const percent = result.ofPlain?.median ?? 100;
  if (one.leastTotal !== null && percent < one.leastTotal) misses.push('total');
  const kept = result.solo === null ? 100 : (100 * result.firstIops) / result.solo.iops;
  if (one.leastOfSolo !== null && kept < one.leastOfSolo) misses.push('share of its solo rate');
  return misses;
}

function figures(
  one: FairCase,
  series: Series,
): Pick<FairResult, 'shares' | 'isolationP1' | 'jain'> {
  const wanted = one.parties.map((party) => party.wanted);
  const sums = sumOf(series);
  const isolationP1 = percentile(isolation(series, wanted), 1);
  return { shares: sharesOf(sums), isolationP1, jain: jain(sums, wanted) };
}

/** Runs a case under its weights, and then in turn with and without a window. */
export async function runFair(
  one: FairCase,
  place: Place,
  { seconds, pairs }: Settings,
): Promise<FairResult> {
  const alone = one.isSoloMeasured ? await runAlone(one, place, Math.min(seconds, 5)) : null;
  return withMount(one, place, async (mount, loads) => {
    const withTime = loads.map((load) => ({ ...load, seconds: LONGEST_SECONDS }));
    const threads = await startThreads(withTime, place.folder);
    const served = new Served(mount, one.parties);
    await allRun(served);
    const { series, windows, total } = await everySecond(mount, served, seconds);
    // The latency of the first party is that under the window of the case.
    const percents = one.isSoloMeasured ? [] : await inPairs(mount, served, one, pairs);
    for (const one of threads) one.end();
    const [first] = await Promise.all(threads.map(({ result }) => result));
    const shares = figures(one, series);
    const result = {
      id: one.id,
      published: one.published,
      wanted: one.parties.map(({ wanted }) => wanted),
      ...shares,
      seconds: series.map(sharesOf),
      total,
      ofPlain: summarize(percents),
      solo: alone,
      firstIops: first!.iops,
      firstP99Us: first!.p99Us,
      window: `${Math.min(...windows)} to ${Math.max(...windows)}`,
    };
    return { ...result, misses: judge(one, result) };
  });
}
