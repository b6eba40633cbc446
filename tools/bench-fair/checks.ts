import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type FioJob, type FioResult, runFio, startFio } from '../lib/fio.js';
import { run, start, stop } from '../lib/process.js';
import { fairFrom, isolation } from '../lib/shares.js';
import { mountSluice, type SluiceMount } from '../lib/sluice.js';
import { median, rotate } from '../lib/stats.js';
import type { Place, Settings } from './run-case.js';
import { Served } from './served.js';
import { startThreads } from './threads.js';

/** One line of the second table: a requirement other than a share. */
export interface CheckResult {
  id: string;
  asked: string;
  got: string;
  met: boolean;
}

export interface Check {
  id: string;
  /** Where its images lie; in memory if not given. */
  place?: 'disk';
  run: (place: Place, settings: Settings) => Promise<CheckResult[]>;
}

const MIB = 1 << 20;

async function withMount<T>(
  place: Place,
  images: number,
  options: readonly string[],
  use: (mount: SluiceMount) => Promise<T>,
): Promise<T> {
  const named: Record<string, string> = {};
  for (let i = 0; i < images; i++) named[`i${i}`] = join(place.folder, `${i}.img`);
  const mount = await mountSluice(join(place.folder, 'mount'), named, place.size, options);
  try {
    return await use(mount);
  } finally {
    await mount.stop();
  }
}

function job(mount: SluiceMount, image: number, place: Place, seconds: number): FioJob {
  const usual = { rw: 'randread', blockSize: 4096, depth: 32, jobs: 1, rampSeconds: 0 } as const;
  return { ...usual, file: mount.file(`i${image}`), size: place.size, seconds };
}

function offPercent(got: number, asked: number): number {
  return 100 * (got / asked - 1);
}

function exact(
  id: string,
  results: readonly FioResult[],
  iops: number,
  rate: number,
  depth: number,
): CheckResult[] {
  const off = offPercent(iops, rate);
  const p99 = Math.max(...results.map(({ clatP99Us }) => clatP99Us));
  const times = p99 / ((depth / rate) * 1e6);
  return [
    {
      id: `${id}: rate`,
      asked: `${rate} a second, within 0.2 %`,
      got: `${off >= 0 ? '+' : ''}${off.toFixed(3)} %`,
      met: Math.abs(off) <= 0.2,
    },
    {
      id: `${id}: p99`,
      asked: 'within 1.1 x of depth over rate',
      got: `${times.toFixed(3)} x`,
      met: times <= 1.1,
    },
  ];
}

/** A limit at the top of three levels, with looser limits below. */
async function threeLevels(place: Place, { seconds }: Settings): Promise<CheckResult[]> {
  const groups = ['a:iops=1000', 'a/b:iops=1500', 'a/b/c:iops=4000'];
  const options = [...groups.flatMap((group) => ['--group', group]), '--assign', 'i0=a/b/c'];
  const result = await withMount(place, 1, options, (mount) =>
    runFio(job(mount, 0, place, seconds), place.folder),
  );
  const iops = result.ios / (result.runtimeMs / 1000);
  return exact('three-level tree', [result], iops, 1000, 32);
}

/** Completed requests a second of a group, measured over some seconds from now on. */
async function rateOf(mount: SluiceMount, group: string, seconds: number): Promise<number> {
  const path = join(mount.mountpoint, '.groups', group, 'io.stat');
  const sample = async () => {
    const text = await readFile(path, 'utf8');
    return { requests: Number(/^total .*\brios=(\d+)/m.exec(text)?.[1]), ms: performance.now() };
  };
  const first = await sample();
  await delay(seconds * 1000);
  const last = await sample();
  return ((last.requests - first.requests) * 1000) / (last.ms - first.ms);
}

/**
 * Eight images in one group. Their processes begin and end at different times, and a process that is
 * alone for a moment gets the whole rate. So the rate is measured in the middle, and by the group.
 */
async function eightImages(place: Place, { seconds }: Settings): Promise<CheckResult[]> {
  const numbers = [0, 1, 2, 3, 4, 5, 6, 7];
  const assign = numbers.flatMap((number) => ['--assign', `i${number}=g`]);
  const groups = ['--group', 'g:iops=4000', ...assign];
  return withMount(place, 8, groups, async (mount) => {
    const load = (number: number) => ({ ...job(mount, number, place, seconds + 3), depth: 8 });
    const running = Promise.all(numbers.map((number) => runFio(load(number), place.folder)));
    const [results, iops] = await Promise.all([
      running,
      delay(1500).then(() => rateOf(mount, 'g', seconds)),
    ]);
    return exact('eight images in a group', results, iops, 4000, 64);
  });
}

/** A group that was idle gets four times its rate for five seconds, then its rate. */
async function burst(place: Place): Promise<CheckResult[]> {
  const [rate, times, length] = [1000, 4, 5];
  const group = `g:iops=${rate},burst.iops=${rate * times}/${length}`;
  const options = ['--group', group, '--assign', 'i0=g'];
  const [during, after] = await withMount(place, 1, options, async (mount) => {
    const first = await runFio(job(mount, 0, place, length), place.folder);
    // The credit saved during the pause between the two runs is used up after a second.
    const load = { ...job(mount, 0, place, 3), rampSeconds: 1.5 };
    return [first, await runFio(load, place.folder)];
  });
  const line = (what: string, got: number, wanted: number): CheckResult => ({
    id: `burst of ${times} x for ${length} s: ${what}`,
    asked: `${wanted} a second, within 2 %`,
    got: `${got.toFixed(0)} (${offPercent(got, wanted).toFixed(2)} %)`,
    met: Math.abs(offPercent(got, wanted)) <= 2,
  });
  return [line('during it', during.iops, rate * times), line('after it', after.iops, rate)];
}

interface Attachment {
  what: string;
  options: readonly string[];
}

/** Settings of the image's group, with their names for the report. */
const ATTACHED: readonly Attachment[] = [
  { what: 'nothing', options: [] },
  { what: 'a weight', options: ['--group', 'g:weight=80', '--assign', 'i0=g'] },
  { what: 'limits', options: ['--group', 'g:iops=100M,bps=100G', '--assign', 'i0=g'] },
  {
    what: 'rules about callers',
    options: ['--group', 'g', '--assign', 'uid:64000=g', '--assign', 'cgroup:/none=g'],
  },
];

/** The limits of above, shared with other hosts: none are there, so this mount has all of them. */
function sharedBy(socket: string): Attachment {
  const shared = `shared=valkey+unix:///g?socket=${socket},safe=100%`;
  return {
    what: 'shared limits',
    options: ['--group', `g:iops=100M,bps=100G,${shared}`, '--assign', 'i0=g'],
  };
}

/** Many rounds, because the machine varies more from run to run than the measured cost. */
const ATTACHED_ROUNDS = 9;

/** The cost of groups that limit nobody. */
async function attached(place: Place, { seconds }: Settings): Promise<CheckResult[]> {
  const socket = join(place.folder, 'store');
  const store = ['--port', '0', '--unixsocket', socket, '--dir', place.folder, '--save', ''];
  const server = await start('redis-server', store, place.folder);
  const all = [...ATTACHED, sharedBy(socket)];
  const rates = all.map((): number[] => []);
  for (let round = 0; round < ATTACHED_ROUNDS; round++) {
    for (const index of rotate([...all.keys()], round)) {
      const result = await withMount(place, 1, all[index]!.options, (mount) => {
        const load = { ...job(mount, 0, place, Math.max(1, seconds / ATTACHED_ROUNDS)), jobs: 4 };
        return runFio({ ...load, rampSeconds: 0.5 }, place.folder);
      });
      rates[index]!.push(result.iops);
    }
  }
  await stop(server);
  const none = median(rates[0]!);
  return all.slice(1).map(({ what }, index) => {
    const cost = -offPercent(median(rates[index + 1]!), none);
    const got = `${cost.toFixed(1)} % of ${(none / 1000).toFixed(1)} K`;
    const asked = 'at most 3 % of the IOPS at 4 x 32';
    return { id: `${what} attached, not limiting`, asked, got, met: cost <= 3 };
  });
}

/** Writes 1 MiB under 512 KiB a second and changes the limit while it waits. */
async function changeWhileWaiting(place: Place): Promise<CheckResult[]> {
  const options = ['--group', 'g:bps=512K', '--assign', 'i0=g'];
  const timed = (change: string, afterMs: number): Promise<[number, number]> =>
    withMount(place, 1, options, async (mount) => {
      const words = ['if=/dev/zero', `of=${mount.file('i0')}`, 'bs=1M', 'count=1'];
      const started = performance.now();
      const write = run('dd', [...words, 'oflag=direct', 'conv=notrunc'], 30_000);
      await delay(afterMs);
      await writeFile(join(mount.mountpoint, '.groups/g/io.max'), change);
      const changed = performance.now();
      await write;
      return [performance.now() - started, performance.now() - changed];
    });
  const [halved] = await timed('bps=256K', 1000);
  const [, raised] = await timed('bps=max', 500);
  return [
    {
      id: '1 MiB under bps=512K, halved after 1 s',
      asked: '3 s, within 5 %',
      got: `${(halved / 1000).toFixed(3)} s`,
      met: Math.abs(halved / 3000 - 1) <= 0.05,
    },
    {
      id: 'raised to max while it waits',
      asked: 'goes within 50 ms',
      got: `${raised.toFixed(1)} ms`,
      met: raised <= 50,
    },
  ];
}

/** Makes 1000 changes a second. Every request must be done once, as counted by fio and the daemon. */
async function manyChanges(place: Place, { seconds }: Settings): Promise<CheckResult[]> {
  const options = ['--group', 'a', '--group', 'b', '--assign', 'i0=a'];
  return withMount(place, 1, options, async (mount) => {
    const folder = join(mount.mountpoint, '.groups');
    const fio = await startFio({ ...job(mount, 0, place, seconds), depth: 64 }, place.folder);
    const script =
      'exec 3>a/io.max 4>b/members 5>a/members 6>io.depth 7>b/io.weight; while :; do ' +
      'for i in 1 2 3 4 5 6 7 8; do echo iops=$((i * 10000)) >&3; echo $i >&7; echo i0 >&4; ' +
      'echo $((i * 8)) >&6; echo i0 >&5; done; echo x; done';
    const changer = await start('bash', ['-c', `cd '${folder}' && ${script}`], place.folder);
    const started = performance.now();
    await delay(seconds * 1000 - 500);
    const elapsed = (performance.now() - started) / 1000;
    changer.kill('SIGKILL');
    await changer.closed;
    const changes = (changer.output().match(/x/g)?.length ?? 0) * 40;
    await writeFile(join(folder, 'a/io.max'), 'iops=max');
    const done = await fio.done;
    const stat = await readFile(join(folder, 'io.stat'), 'utf8');
    const counted = Number(/^total .*\brios=(\d+)/m.exec(stat)?.[1]);
    const rest = /^total .*\bqueued=0 inflight=0$/m.test(stat);
    return [
      {
        id: 'changes under load',
        asked: `1000 a second for ${seconds} s, nothing lost or done twice`,
        got: `${(changes / elapsed).toFixed(0)} a second; fio ${done.ios}, daemon ${counted}`,
        met: changes / elapsed >= 1000 && done.ios === counted && rest,
      },
    ];
  });
}

/** Length in ms of a sample, and samples until a fair share has held. */
const SAMPLE_MS = 20;
const HELD_SAMPLES = 5;

/** 128 threads of weight 80 that stop and start beside 128 of weight 20 that go on. */
async function startAndStop(place: Place): Promise<CheckResult[]> {
  const options = ['--group', 'a:weight=80', '--group', 'b:weight=20'];
  const assign = ['--assign', 'i0=a', '--assign', 'i1=b'];
  return withMount(place, 2, [...options, ...assign], async (mount) => {
    const common = { size: place.size, rw: 'randread', bytes: 4096, jobs: 128 } as const;
    const loads = ['i0', 'i1'].map((name) => {
      return { ...common, file: mount.file(name), seconds: 12, prefix: [] };
    });
    const [a, b] = await startThreads(loads, place.folder);
    const parties = ['a', 'b'].map((group) => ({ group, jobs: 128, wanted: 50 }));
    const served = new Served(mount, parties);
    const series = async (ms: number): Promise<number[][]> => {
      const rows: number[][] = [];
      for (const until = performance.now() + ms; performance.now() < until; ) {
        const before = await served.sample();
        await delay(SAMPLE_MS);
        rows.push((await served.sample()).since(before).cost);
      }
      return rows;
    };
    const starts: number[] = [];
    const stops: number[] = [];
    await delay(2000);
    for (let round = 0; round < 4; round++) {
      a!.pause(true);
      const alone = await series(500);
      stops.push(alone.findIndex(([first]) => first === 0) * SAMPLE_MS);
      a!.pause(false);
      const fair = fairFrom(isolation(await series(1000), [80, 20]), 90, HELD_SAMPLES);
      starts.push(fair < 0 ? Infinity : fair * SAMPLE_MS);
    }
    await Promise.all([a!.result, b!.result]);
    const line = (what: string, asked: number, times: readonly number[]): CheckResult => ({
      id: what,
      asked: `within ${asked} ms, seen in samples of ${SAMPLE_MS} ms`,
      got: `${times.join(', ')} ms`,
      met: median(times) <= asked + SAMPLE_MS,
    });
    return [
      line('128 threads start beside 128: fair shares from', 50, starts),
      line('they stop: the last of their requests', 10, stops),
    ];
  });
}

/** All measurements other than shares. Images of `MIB` are large enough for each of them. */
export const CHECKS: readonly Check[] = [
  { id: 'limits/tree', run: threeLevels },
  { id: 'limits/images', run: eightImages },
  { id: 'limits/burst', run: burst },
  { id: 'cost/attached', run: attached },
  { id: 'live/start', place: 'disk', run: startAndStop },
  { id: 'live/limit', run: changeWhileWaiting },
  { id: 'live/changes', run: manyChanges },
];

/** The largest number of images that a check uses, and their minimum size in bytes. */
export const CHECK_IMAGES = 8;
export const CHECK_BYTES = 64 * MIB;
