import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { Latencies } from '../src/throttle/latencies.js';
import { READ, Throttle, WRITE } from '../src/throttle/throttle.js';
import { runTool } from './lib/cleanup.js';
import { inRange, toolOptions } from './lib/options.js';
import { median } from './lib/stats.js';
import { markdownTable, shortNumber } from './lib/table.js';

/**
 * What it costs to count how long requests take. Each round runs the throttle for the same requests twice,
 * in new threads: as it is, and with the counting left out. The order changes from round to round.
 */

/** Requests in flight: 4 jobs x queue depth 32. */
const IN_FLIGHT = 128;
/** Requests that a turn of the data plane completes and takes in. */
const A_TURN = 16;
/** Time between two turns, ns. */
const TURN_NS = 70_000;
const WARM_UP = 500_000;

interface Job {
  requests: number;
  members: number;
  counts: boolean;
}

/** Submits and completes requests of many members. Returns ns of each. */
function runJob({ requests, members, counts }: Job): number {
  // The thread is new, so nobody else sees this.
  if (!counts) Latencies.prototype.add = () => {};
  const throttle = new Throttle(IN_FLIGHT);
  throttle.setDepth(4096, 0);
  const all = Array.from({ length: members }, (_, index) => {
    const group = throttle.createGroup(`g${index}`);
    const member = throttle.createMember(`m${index}`);
    throttle.moveMember(member, group, 0);
    return member;
  });
  let now = 0;
  let done = 0;
  const run = (count: number): void => {
    for (const end = done + count; done < end; done++) {
      const request = done % IN_FLIGHT;
      if (done % A_TURN === 0) {
        now += TURN_NS;
        throttle.next(now);
      }
      if (done >= IN_FLIGHT) throttle.complete(request, now);
      const direction = done % 3 === 0 ? WRITE : READ;
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
    'Measures what it costs to count how long requests take: processor time of the throttle for each\n' +
      'request, with and without, in alternating rounds of one run.',
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
  for (const members of [1, 4, 1000]) {
    const costs: number[] = [];
    const plain: number[] = [];
    for (let round = 0; round < options.rounds; round++) {
      const found: Record<string, number> = {};
      const order = round % 2 === 0 ? [true, false] : [false, true];
      for (const counts of order) {
        found[String(counts)] = await inThread({ requests: options.requests, members, counts });
      }
      plain.push(found.false!);
      costs.push(found.true! - found.false!);
    }
    const cost = median(costs);
    const share = `${((cost * options.iops) / 1e7).toFixed(2)} %`;
    rows.push([String(members), shortNumber(median(plain)), shortNumber(cost), share]);
  }
  const head = ['members', 'throttle, ns', 'times, ns', `of a core at ${options.iops}/s`];
  console.log(markdownTable(head, rows));
  return 0;
}

if (isMainThread) await runTool('bench-times', main);
else parentPort!.postMessage(runJob(workerData as Job));
