import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { Callers } from '../src/throttle/callers.js';
import { Latencies } from '../src/throttle/latencies.js';
import { READ, Throttle, WRITE } from '../src/throttle/throttle.js';
import { type InMount, measureInMount } from './bench-times/in-mount.js';
import { runTool } from './lib/cleanup.js';
import { temporaryFolder } from './lib/image.js';
import { describeMachine, machineLine } from './lib/machine.js';
import { inRange, toolOptions } from './lib/options.js';
import { checkSluiceBuilt } from './lib/sluice.js';
import { median, rotate, type Spread, spreadOf } from './lib/stats.js';
import { formatIops, markdownTable, shortNumber } from './lib/table.js';

/**
 * What it costs to count how long requests take, and who makes them. Each round runs the throttle for the same
 * requests four times, in new threads: with nothing of that, with times, with callers, and with both. The order
 * changes from round to round. Then a mount does the same under load; see in-mount.ts.
 */

/** Requests in flight: 4 jobs x queue depth 32. */
const IN_FLIGHT = 128;
/** Requests that a turn of the data plane completes and takes in. */
const A_TURN = 16;
/** Time between two turns, ns. */
const TURN_NS = 70_000;
const WARM_UP = 500_000;
const IN_MEMORY = '/dev/shm';
/** Members and callers. */
const CASES = [
  [1, 1],
  [4, 4],
  [4, 128],
  [1000, 1000],
  [4, 1_000_000],
] as const;

interface Job {
  requests: number;
  members: number;
  /** Threads that make the requests, each 8 in a row. */
  callers: number;
  counts: 'nothing' | 'times' | 'callers' | 'both';
}

/** Submits and completes requests of many members. Returns ns of each. */
function runJob({ requests, members, callers, counts }: Job): number {
  // The thread is new, so nobody else sees this.
  if (counts === 'nothing' || counts === 'callers') Latencies.prototype.add = () => {};
  const throttle = new Throttle(IN_FLIGHT);
  throttle.setDepth(4096, 0);
  const all = Array.from({ length: members }, (_, index) => {
    const group = throttle.createGroup(`g${index}`);
    const member = throttle.createMember(`m${index}`);
    throttle.moveMember(member, group, 0);
    return member;
  });
  const counter = new Callers();
  let now = 0;
  let done = 0;
  const run = (count: number): void => {
    for (const end = done + count; done < end; done++) {
      const request = done % IN_FLIGHT;
      if (done % A_TURN === 0) {
        now += TURN_NS;
        throttle.next(now);
      }
      const direction = done % 3 === 0 ? WRITE : READ;
      if (done >= IN_FLIGHT) {
        throttle.complete(request, now);
        if (counts === 'callers' || counts === 'both') {
          const caller = 1 + ((done >> 3) % callers);
          const serviceNs = now - throttle.admittedAt(request);
          counter.completed(caller, 0, direction, 4096, throttle.waitOf(request), serviceNs, now);
        }
      }
      throttle.submit(request, all[done % members]!, direction, 4096, now);
    }
  };
  run(WARM_UP);
  const started = process.cpuUsage();
  run(requests);
  const used = process.cpuUsage(started);
  return ((used.user + used.system) * 1000) / requests;
}

async function inThread(job: Job): Promise<number> {
  const worker = new Worker(new URL(import.meta.url), { workerData: job });
  const [ns] = (await once(worker, 'message')) as [number];
  await worker.terminate();
  return ns;
}

async function main(): Promise<number> {
  const options = await toolOptions(
    'bench-times',
    'Measures what it costs to count how long requests take and who makes them: processor time of the\n' +
      'throttle for each request, with and without, in alternating rounds of one run, and the requests a\n' +
      'second of a mount whose counting stands still in some slices of time.',
  )
    .options({
      rounds: { type: 'number', default: 9, describe: 'rounds, of which the median counts' },
      requests: { type: 'number', default: 3_000_000, describe: 'requests of each run' },
      iops: {
        type: 'number',
        default: 238_000,
        describe: 'requests a second at which the cost is given as a share',
      },
      mount: {
        type: 'number',
        default: 60,
        describe:
          'seconds of load on a mount, in which counting stands still in some slices; 0: none',
      },
    })
    .parseAsync();
  inRange('rounds', options.rounds, 1, 1000);
  inRange('requests', options.requests, 1000, 1e9);
  inRange('mount', options.mount, 0, 3600);
  console.log(`${machineLine(await describeMachine([]))}\n`);
  console.log(`${await inThreads(options)}\n`);
  if (options.mount > 0) {
    await checkSluiceBuilt();
    const folder = await temporaryFolder(IN_MEMORY);
    console.log(mountTable(await measureInMount(folder, options.mount)));
  }
  return 0;
}

interface Settings {
  rounds: number;
  requests: number;
  iops: number;
}

/** Runs all cases. Returns their table. */
async function inThreads({ rounds, requests, iops }: Settings): Promise<string> {
  const rows: string[][] = [];
  for (const [members, callers] of CASES) {
    const found: Record<Job['counts'], number[]> = {
      nothing: [],
      times: [],
      callers: [],
      both: [],
    };
    const order = Object.keys(found) as Job['counts'][];
    for (let round = 0; round < rounds; round++) {
      for (const counts of rotate(order, round)) {
        found[counts].push(await inThread({ requests, members, callers, counts }));
      }
    }
    const more = (counts: Job['counts']): Spread =>
      spreadOf(found[counts].map((ns, round) => ns - found.nothing[round]!));
    const [times, who, both] = [more('times'), more('callers'), more('both')];
    const plain = shortNumber(median(found.nothing));
    const share = `${((both.median * iops) / 1e7).toFixed(2)} %`;
    rows.push([String(members), String(callers), plain, ...[times, who, both].map(spread), share]);
  }
  const head = ['members', 'callers', 'throttle, ns', 'times, ns', 'callers, ns', 'both, ns'];
  return markdownTable([...head, `both, of a core at ${iops}/s`], rows);
}

function mountTable({ iops, ns, cycles, costs }: InMount): string {
  const rows = Object.entries(costs).map(([part, cost]) => [
    part,
    spread(cost.percent),
    cost.percent.quartiles.map(shortNumber).join(' to '),
    spread(cost.ns),
    cost.ns.quartiles.map(shortNumber).join(' to '),
  ]);
  const plain = `4 x QD 32 in a mount, ${cycles} cycles: ${formatIops(iops)} a second, ${ns.toFixed(0)} ns`;
  const head = ['counted', 'requests/s lost, %', 'quartiles', 'ns a request', 'quartiles'];
  return `${plain} of the daemon for each.\n\n${markdownTable(head, rows)}`;
}

/** The median, and how far it may be off. */
function spread({ median, error }: Spread): string {
  return `${shortNumber(median)} ± ${shortNumber(error)}`;
}

if (isMainThread) await runTool('bench-times', main);
else parentPort!.postMessage(runJob(workerData as Job));
