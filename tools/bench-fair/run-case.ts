import { chmod, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { mountSluice } from '../lib/sluice.js';
import { type Caller, makeCallers } from './callers.js';
import type { FairCase, Party } from './cases.js';
import { runThreads, type ThreadLoad, type ThreadResult } from './threads.js';

/** Time not measured, in which `auto` finds its window. */
const RAMP_SECONDS = 3;

/** A folder with images `0.img`, `1.img`, ... of `size` bytes. */
export interface Place {
  folder: string;
  size: number;
}

export interface Settings {
  seconds: number;
}

/** The figures of a case. */
export interface FairResult {
  id: string;
  published: string;
  wanted: number[];
  /** Shares of all requests, percent. */
  shares: number[];
  p99Us: number[];
  total: number;
  /** The same load without groups. */
  plainTotal: number;
  /** The rate of the first party alone; null if not measured. */
  solo: number | null;
  firstIops: number;
  /** The value of `io.depth` towards the end. */
  window: string;
  misses: string[];
}

async function members(one: FairCase): Promise<Caller[]> {
  if (one.keyed !== 'image') return makeCallers(one.keyed, one.parties.length);
  return one.parties.map((_, index) => ({ member: `i${index}`, prefix: [] }));
}

/** Mounts with or without the groups of the case, and runs some of its parties. */
async function run(
  one: FairCase,
  place: Place,
  settings: Settings,
  grouped: boolean,
  parties: readonly Party[],
): Promise<{ results: ThreadResult[]; window: string }> {
  const callers = await members(one);
  const count = one.keyed === 'image' ? one.parties.length : 1;
  const images: Record<string, string> = {};
  for (let i = 0; i < count; i++) images[`i${i}`] = join(place.folder, `${i}.img`);
  const groups = one.groups.flatMap((group) => ['--group', group]);
  const assign = one.parties.flatMap(({ group }, index) => {
    return ['--assign', `${callers[index]!.member}=${group}`];
  });
  const options = ['--depth', one.depth, ...groups, ...assign];
  await chmod(place.folder, 0o755); // for callers of other users
  const mount = await mountSluice(join(place.folder, 'mount'), images, place.size, [
    '--allow-other',
    ...(grouped ? options : []),
  ]);
  try {
    const loads = parties.map((party): ThreadLoad => {
      const index = one.parties.indexOf(party);
      const file = mount.file(one.keyed === 'image' ? `i${index}` : 'i0');
      const { seconds } = settings;
      const { prefix } = callers[index]!;
      const rampSeconds = Math.min(RAMP_SECONDS, seconds);
      return { file, size: place.size, rw: one.rw, jobs: party.jobs, seconds, rampSeconds, prefix };
    });
    const results = runThreads(loads, place.folder);
    const window = (async () => {
      await delay(settings.seconds * 1000 * 0.9);
      return (await readFile(join(mount.mountpoint, '.groups/io.depth'), 'utf8')).trim();
    })();
    return { results: await results, window: await window };
  } finally {
    await mount.stop();
  }
}

/** Totals without groups, by load; cases that differ only in weights share them. */
const plainTotals = new Map<string, number>();

async function plainTotal(one: FairCase, place: Place, settings: Settings): Promise<number> {
  const jobs = one.parties.map((party) => party.jobs).join('+');
  const key = [one.place, one.rw, one.keyed === 'image' ? 'images' : 'image', jobs].join(' ');
  const known = plainTotals.get(key);
  if (known !== undefined) return known;
  const { results } = await run(one, place, settings, false, one.parties);
  const total = sum(results.map(({ iops }) => iops));
  plainTotals.set(key, total);
  return total;
}

function sum(values: readonly number[]): number {
  return values.reduce((before, value) => before + value, 0);
}

function judge(one: FairCase, result: Omit<FairResult, 'misses'>): string[] {
  const misses: string[] = [];
  const off = Math.max(...result.shares.map((share, i) => Math.abs(share - result.wanted[i]!)));
  if (one.tolerance !== null && off > one.tolerance) misses.push('share');
  const percent = (100 * result.total) / result.plainTotal;
  if (one.leastTotal !== null && percent < one.leastTotal) misses.push('total');
  const kept = result.solo === null ? 100 : (100 * result.firstIops) / result.solo;
  if (one.leastOfSolo !== null && kept < one.leastOfSolo) misses.push('share of its solo rate');
  return misses;
}

/** Runs a case without groups, unless this total is known already, and then under its weights. */
export async function runFair(
  one: FairCase,
  place: Place,
  settings: Settings,
): Promise<FairResult> {
  const plain = await plainTotal(one, place, settings);
  const isWorst = one.id.startsWith('worst/');
  const alone = isWorst ? await run(one, place, settings, true, one.parties.slice(0, 1)) : null;
  const { results, window } = await run(one, place, settings, true, one.parties);
  const rates = results.map(({ iops }) => iops);
  const total = sum(rates);
  const result = {
    id: one.id,
    published: one.published,
    wanted: one.parties.map(({ wanted }) => wanted),
    shares: rates.map((rate) => (100 * rate) / total),
    p99Us: results.map(({ p99Us }) => p99Us),
    total,
    plainTotal: plain,
    solo: alone === null ? null : alone.results[0]!.iops,
    firstIops: rates[0]!,
    window,
  };
  return { ...result, misses: judge(one, result) };
}
