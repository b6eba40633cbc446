import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { Callers } from '../src/throttle/callers.js';
import { Latencies } from '../src/throttle/latencies.js';
import { READ, Throttle, WRITE } from '../src/throttle/throttle.js';
import { runTool } from './lib/cleanup.js';
import { inRange, toolOptions } from './lib/options.js';
import { median } from './lib/stats.js';
import { markdownTable, shortNumber } from './lib/table.js';

/**
 * What it costs to count how long requests take, and who makes them. Each round runs the throttle for the same
 * requests three times, in new threads: with nothing of that, with times, and with times and callers. The order
 * changes from round to round.
 */

/** Requests in flight: 4 jobs x queue depth 32. */
const IN_FLIGHT = 128;
/** Requests that a turn of the data plane completes and takes in. */
const A_TURN = 16;
/** Time between two turns, ns. */
const TURN_NS = 70_000;
const WARM_UP = 500_000;
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
  counts: 'nothing' | 'times' | 'all';
}

/** Submits and completes requests of many members. Returns ns of each. */
function runJob({ requests, members, callers, counts }: Job): number {
  // The thread is new, so nobody else sees this.
  if (counts === 'nothing') Latencies.prototype.add = () => {};
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
        if (counts === 'all') {
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
      'throttle for each request, with and without, in alternating rounds of one run.',
  )
    .options({
      rounds: { type: 'number', default: 9, describe: 'rounds, of which the median counts' },
      requests: { type: 'number', default: 3_000_000, describe: 'requests of each run' },
      iops: {
        type: 'number',
        default: 238_000,
        describe: 'requests a second at which the cost is given as a share',
      },
    })
    .parseAsync();
  inRange('rounds', options.rounds, 1, 1000);
  inRange('requests', options.requests, 1000, 1e9);
  const rows: string[][] = [];
  for (const [members, callers] of CASES) {
    const found: Record<Job['counts'], number[]> = { nothing: [], times: [], all: [] };
    for (let round = 0; round < options.rounds; round++) {
      const order = Object.keys(found) as Job['counts'][];
      for (const counts of round % 2 === 0 ? order : order.reverse()) {
        const job = { requests: options.requests, members, callers, counts };
        found[counts].push(await inThread(job));
      }
    }
    const more = (one: Job['counts'], other: Job['counts']): number =>
      median(found[one].map((ns, round) => ns - found[other][round]!));
    const [times, who] = [more('times', 'nothing'), more('all', 'times')];
    const share = `${((more('all', 'nothing') * options.iops) / 1e7).toFixed(2)} %`;
    const plain = median(found.nothing);
    rows.push([String(members), String(callers), ...[plain, times, who].map(shortNumber), share]);
  }
  const columns = ['members', 'callers', 'throttle, ns', 'times, ns', 'callers, ns'];
  const head = [...columns, `both, of a core at ${options.iops}/s`];
  console.log(markdownTable(head, rows));
  return 0;
}

if (isMainThread) await runTool('bench-times', main);
else parentPort!.postMessage(runJob(workerData as Job));
