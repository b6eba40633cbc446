import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { runTool } from './lib/cleanup.js';
import { makeImage, temporaryFolder } from './lib/image.js';
import { inRange, toolOptions } from './lib/options.js';
import { start } from './lib/process.js';
import { checkSluiceBuilt } from './lib/sluice.js';
import { runFaults } from './shared-hosts/faults.js';
import { allGranted, Host, sampledFor, sampling } from './shared-hosts/hosts.js';
import { edge, grantsOf, mostBeyond, ratesOf, reaches } from './shared-hosts/samples.js';

const WEIGHTS = [100, 100, 200, 50, 400, 100, 100, 200];
const SHIFTS = 6;

const percent = (part: number): string => `${(100 * part).toFixed(2)} %`;

/** All hosts have load. Returns whether the sum and the shares are as they have to be. */
async function measureShares(hosts: readonly Host[], limit: number, ms: number): Promise<boolean> {
  const samples = await sampledFor(hosts, ms);
  const rates = ratesOf(samples);
  const all = rates.reduce((sum, rate) => sum + rate, 0) / limit;
  const beyondMs = (1000 * mostBeyond(samples, limit)) / limit;
  const weights = WEIGHTS.slice(0, hosts.length);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const parts = rates.map((rate, host) => (rate / limit) * (total / weights[host]!));
  console.log(
    `${hosts.length} hosts, ${ms / 1000} s: grants of ${percent(grantsOf(samples) / limit)} of the limit; all had ${percent(all)} of it, never more by ${beyondMs.toFixed(1)} ms`,
  );
  const [least, most] = [Math.min(...parts), Math.max(...parts)];
  console.log(`each host had ${percent(least)} to ${percent(most)} of its part by weight`);
  const requests = (1000 * hosts.length) / limit;
  return Math.abs(all - 1) <= 0.01 && beyondMs <= 10 + requests && least >= 0.98 && most <= 1.02;
}

/** Demand begins on one host and ends on another. Returns whether each was followed within 300 ms. */
async function measureShifts(hosts: readonly Host[], limit: number): Promise<boolean> {
  const total = WEIGHTS[0]! + WEIGHTS[1]!;
  const [begun, ended]: [number[], number[]] = [[], []];
  await hosts[0]!.load();
  for (let turn = 0; turn < SHIFTS; turn++) {
    const [from, to] = [turn % 2, 1 - (turn % 2)];
    await delay(2000);
    const beginning = sampling(hosts.slice(0, 2));
    await hosts[to]!.load();
    await delay(1500);
    const begin = await beginning.end();
    const fair = (limit * WEIGHTS[to]!) / total;
    begun.push((reaches(begin, to, 0.9 * fair) ?? Infinity) - edge(begin, to, 'first'));
    const ending = sampling(hosts.slice(0, 2));
    await hosts[from]!.unload();
    await delay(1500);
    const end = await ending.end();
    ended.push((reaches(end, to, 0.9 * limit) ?? Infinity) - edge(end, from, 'last'));
  }
  const list = (times: number[]): string =>
    times.map((ms) => Math.max(0, ms).toFixed(0)).join(', ');
  console.log(`demand that begins has its part after ${list(begun)} ms`);
  console.log(`what demand that ends leaves is granted after ${list(ended)} ms`);
  return Math.max(...begun, ...ended) <= 300;
}

async function main(): Promise<number> {
  const options = await toolOptions(
    'shared-hosts',
    'Mounts on this machine share a limit as hosts do, each with fio: whether the sum keeps the limit and\n' +
      'weights count, and how fast a limit follows demand. With --faults the hosts are in network namespaces,\n' +
      'and lose each other, the store and their lives. Ends with 1 if a bound does not hold: shares need a\n' +
      'machine that has nothing else to do. Needs root.',
  )
    .options({
      hosts: { type: 'number', default: 8, describe: 'mounts, each with a daemon, 2 to 8' },
      limit: { type: 'number', default: 4000, describe: 'requests per second of all' },
      seconds: { type: 'number', default: 20, describe: 'of the measurement of shares' },
      faults: { type: 'boolean', default: false, describe: 'faults instead of shares and shifts' },
      folder: { type: 'string', default: '/dev/shm', describe: 'for the images' },
    })
    .parseAsync();
  const { limit, seconds } = options;
  inRange('hosts', options.hosts, 2, WEIGHTS.length);
  inRange('limit', limit, 100, 1e6);
  inRange('seconds', seconds, 2, 3600);
  await checkSluiceBuilt();
  const folder = await temporaryFolder(options.folder);
  await makeImage(join(folder, 'image'), 16);
  if (options.faults) {
    const results = await runFaults(folder, limit);
    for (const { name, beyondMs, leastSafe, isWell } of results) {
      const found = `never above the bound by more than ${beyondMs.toFixed(1)} ms of the limit, every host had ${leastSafe.toFixed(2)} of what is safe`;
      console.log(`${isWell ? 'well ' : 'WRONG'} ${name}: ${found}`);
    }
    return results.every(({ isWell }) => isWell) ? 0 : 1;
  }
  const socket = join(folder, 'store');
  const store = `--port 0 --unixsocket ${socket} --dir ${folder} --save`.split(' ');
  await start('redis-server', [...store, ''], folder);
  const hosts: Host[] = [];
  for (const weight of WEIGHTS.slice(0, options.hosts)) {
    const shared = `shared=valkey+unix:///gold?socket=${socket},shared.weight=${weight}`;
    hosts.push(await Host.start(folder, `h${hosts.length}`, `iops=${limit},${shared}`, []));
  }
  for (const host of hosts) await host.load();
  await allGranted(hosts);
  await delay(3000);
  const areShares = await measureShares(hosts, limit, 1000 * seconds);
  for (const host of hosts) await host.unload();
  const areShifts = await measureShifts(hosts, limit);
  for (const host of hosts) await host.unload();
  return areShares && areShifts ? 0 : 1;
}

await runTool('shared-hosts', main);
