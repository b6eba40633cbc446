import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { atEnd } from '../lib/cleanup.js';
import { run } from '../lib/process.js';
import { isolation, percentile, type Series, sharesOf, sumOf } from '../lib/shares.js';
import { mountSluice } from '../lib/sluice.js';
import { makeCallers } from './callers.js';
import type { Check, CheckResult } from './checks.js';
import type { Place, Settings } from './run-case.js';
import { Served } from './served.js';
import { startThreads, type ThreadResult } from './threads.js';

/**
 * Weights of the kernel beside those of Sluice, on the same image: cgroup v1 blkio with BFQ on a loop
 * device. Both are compared with themselves without weights, and in turn.
 */

const WEIGHTS = [80, 20] as const;
const GROUPS = ['a', 'b'] as const;
const BLKIO = '/sys/fs/cgroup/blkio';
/** BFQ takes weights from 1 to 1000; these have the same ratio. */
const BFQ_FACTOR = 10;
const SETTLE_MS = 500;

/** A file under the load, with weights or without, and what each of its two callers gets of it. */
interface Weighted {
  file: string;
  prefixes: readonly (readonly string[])[];
  /** Requests done so far by each caller; null if nothing counts them. */
  count: (() => Promise<number[]>) | null;
  end: () => Promise<void>;
}

/** One system, with and without weights. */
interface System {
  name: string;
  start: (place: Place, isWeighted: boolean) => Promise<Weighted>;
}

/** @param latency What the first group gets besides its weight, as in `--group`. */
async function sluice(place: Place, isWeighted: boolean, latency = ''): Promise<Weighted> {
  const callers = await makeCallers('cgroup', GROUPS.length);
  const groups = GROUPS.flatMap((name, at) => {
    return ['--group', `${name}:weight=${WEIGHTS[at]}${at === 0 ? latency : ''}`];
  });
  const assign = GROUPS.flatMap((name, at) => ['--assign', `${callers[at]!.member}=${name}`]);
  const image = { i0: join(place.folder, '0.img') };
  const options = isWeighted ? [...groups, ...assign] : [];
  const mount = await mountSluice(join(place.folder, 'mount'), image, place.size, options);
  const served = new Served(
    mount,
    GROUPS.map((group) => ({ group, jobs: 1, wanted: 50 })),
  );
  return {
    file: mount.file('i0'),
    prefixes: callers.map(({ prefix }) => prefix),
    count: isWeighted ? async () => (await served.sample()).requests : null,
    end: () => mount.stop(),
  };
}

/** A cgroup of the blkio controller, which is removed at the end. */
async function blkioGroup(index: number): Promise<string> {
  const place = join(BLKIO, `sluice-bench-${process.pid}-${index}`);
  await mkdir(place, { recursive: true });
  atEnd(() => rmdir(place).catch(() => {}));
  await writeFile(join(place, 'blkio.bfq.weight'), String(BFQ_FACTOR * WEIGHTS[index]!));
  return place;
}

async function bfqCount(group: string): Promise<number> {
  const text = await readFile(join(group, 'blkio.bfq.io_serviced'), 'utf8');
  return Number(/^Total (\d+)/m.exec(text)?.[1] ?? 0);
}

async function bfq(place: Place, isWeighted: boolean): Promise<Weighted> {
  const image = join(place.folder, '0.img');
  const found = await run('losetup', ['--find', '--show', '--direct-io=on', image], 10_000);
  const device = found.trim();
  const end = atEnd(() => run('losetup', ['--detach', device], 10_000).then(() => {}));
  const scheduler = `/sys/block/${basename(device)}/queue/scheduler`;
  await writeFile(scheduler, isWeighted ? 'bfq' : 'none');
  const groups = await Promise.all(GROUPS.map((_, index) => blkioGroup(index)));
  const enter = (group: string) => `echo $$ > '${group}/cgroup.procs' && exec "$@"`;
  return {
    file: device,
    prefixes: groups.map((group) => ['sh', '-c', enter(group), 'sh']),
    count: isWeighted ? () => Promise.all(groups.map(bfqCount)) : null,
    end: async () => {
      end();
      await run('losetup', ['--detach', device], 10_000);
    },
  };
}

const SLUICE: System = { name: 'sluice', start: sluice };
const SLUICE_LATENCY: System = {
  name: 'sluice, latency=50',
  start: (place, isWeighted) => sluice(place, isWeighted, ',latency=50'),
};
const KERNEL: System = { name: 'BFQ, cgroup v1 blkio', start: bfq };

/** What came out of one load: figures of both callers, and requests of each in every second. */
interface Outcome {
  threads: ThreadResult[];
  series: Series;
}

async function load(
  system: System,
  place: Place,
  isWeighted: boolean,
  jobs: readonly number[],
  seconds: number,
): Promise<Outcome> {
  const weighted = await system.start(place, isWeighted);
  try {
    const loads = jobs.map((count, at) => ({
      file: weighted.file,
      size: place.size,
      rw: 'randread' as const,
      bytes: 4096,
      jobs: count,
      seconds,
      prefix: weighted.prefixes[at]!,
    }));
    const threads = await startThreads(loads, place.folder);
    const series: number[][] = [];
    if (weighted.count !== null) {
      await delay(SETTLE_MS);
      let before = await weighted.count();
      for (let second = 1; second < seconds; second++) {
        await delay(1000);
        const now = await weighted.count();
        series.push(now.map((count, at) => count - before[at]!));
        before = now;
      }
    }
    return { threads: await Promise.all(threads.map(({ result }) => result)), series };
  } finally {
    await weighted.end();
  }
}

function totalOf({ threads }: Outcome): number {
  return threads.reduce((sum, { iops }) => sum + iops, 0);
}

/** 128 threads against 128: shares, and the throughput that they cost. */
async function saturated(system: System, place: Place, seconds: number): Promise<string> {
  const jobs = [128, 128];
  const plain = totalOf(await load(system, place, false, jobs, seconds));
  const weighted = await load(system, place, true, jobs, seconds);
  const [share] = sharesOf(sumOf(weighted.series));
  const p1 = percentile(isolation(weighted.series, WEIGHTS), 1);
  const total = totalOf(weighted);
  const kept = ((100 * total) / plain).toFixed(0);
  const rate = (total / 1000).toFixed(1);
  return `A ${share!.toFixed(1)} %, p1 of isolation ${p1.toFixed(1)}, ${rate} K, ${kept} % of the same without weights`;
}

/** One thread beside 128: what is left to it, and its latency. */
async function neighbour(system: System, place: Place, seconds: number): Promise<string> {
  const [solo] = (await load(system, place, true, [1], seconds)).threads;
  const both = await load(system, place, true, [1, 128], seconds);
  const [beside] = both.threads;
  const kept = ((100 * beside!.iops) / solo!.iops).toFixed(0);
  const latency = `p99 ${solo!.p99Us.toFixed(0)} to ${beside!.p99Us.toFixed(0)} us`;
  return `${kept} % of its solo rate, ${latency}, both ${(totalOf(both) / 1000).toFixed(1)} K`;
}

const LOADS = [
  { id: '80:20, 128 threads each', run: saturated, systems: [SLUICE, KERNEL] },
  {
    id: 'one thread of weight 80 beside 128 of 20',
    run: neighbour,
    systems: [KERNEL, SLUICE, SLUICE_LATENCY],
  },
];

async function besideKernel(place: Place, { seconds }: Settings): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  for (const { id, run: runLoad, systems } of LOADS) {
    for (const system of systems) {
      const got = await runLoad(system, place, seconds);
      results.push({ id: `${id}: ${system.name}`, asked: 'reported', got, met: true });
    }
  }
  return results;
}

export const KERNEL_CHECK: Check = { id: 'kernel/weights', place: 'disk', run: besideKernel };
