import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { NOT_SHARED } from '../src/lease/rates.js';
import { SCRIPT, SCRIPT_VERSION } from '../src/lease/script.js';
import { RATES } from '../src/throttle/limits.js';
import { runTool, UsageError } from './lib/cleanup.js';
import { temporaryFolder } from './lib/image.js';
import { inRange, toolOptions } from './lib/options.js';
import { cpuTime, start } from './lib/process.js';

/** How many hosts share each group of a round. All rounds have the same number of pairs of host and group. */
const HOSTS = [1, 10, 100, 1000];
const BATCHES = [1, 10, 100];
const REPORT_MS = 100;
/** Ticks of /proc/PID/stat in a second. */
const TICKS = 100;
const LIMIT = 1000;

type Words = (string | number)[];

interface Pair {
  key: string;
  id: string;
  /** Its number among the hosts of the group. */
  host: number;
  seq: number;
  held: number;
}

/** Two rates are shared, as for `iops` and `bps`; every third host waits for the limit. */
function wordsOf({ id, host, seq, held }: Pair): Words {
  const rates = (rate: number): number[] =>
    RATES.map((key) => (key === 'iops' || key === 'bps' ? rate : NOT_SHARED));
  const want = host % 3 === 0 ? LIMIT : 0;
  return [SCRIPT_VERSION, id, seq, 100, 0, ...rates(LIMIT), ...rates(want), ...rates(held)];
}

/** Sends the reports of some pairs in one message, and takes the answers. `now`: see SCRIPT; null: by the server's clock. */
async function report(
  client: Redis,
  sha: string,
  pairs: readonly Pair[],
  now: number | null,
): Promise<void> {
  const batch = client.pipeline();
  for (const pair of pairs) {
    pair.seq++;
    const time = now === null ? [] : [now, 'run'];
    batch.evalsha(sha, 1, pair.key, ...wordsOf(pair), ...time);
  }
  for (const [place, [error, answer]] of (await batch.exec())!.entries()) {
    if (error !== null) throw error;
    pairs[place]!.held = Number(String(answer).split(' ')[2 + RATES.indexOf('iops')]);
  }
}

/** Bytes that the books of all groups take. */
async function memoryOf(client: Redis): Promise<number> {
  const batch = client.pipeline();
  for (const key of await client.keys('*')) batch.memory('USAGE', key, 'SAMPLES', 0);
  return (await batch.exec())!.reduce((sum, [, bytes]) => sum + Number(bytes), 0);
}

interface Round {
  pairs: number;
  /** That share each group. */
  hosts: number;
  /** Reports in a message. */
  batch: number;
  turns: number;
  /** False: the time of the reports is made up, as if each host reported ten times a second. */
  ownClock: boolean;
}

/** All pairs report, some times. Prints what that costs the server. */
async function measure(client: Redis, pid: number, round: Round): Promise<void> {
  const { pairs, hosts, batch, turns, ownClock } = round;
  await client.flushall();
  const sha = String(await client.script('LOAD', SCRIPT));
  const all = Array.from({ length: pairs }, (_, number): Pair => {
    const key = `sluice:{group${Math.floor(number / hosts)}}`;
    const id = `00000000-0000-0000-0000-${String(number).padStart(12, '0')}`;
    return { key, id, host: number % hosts, seq: 0, held: 1 };
  });
  // A daemon has many groups: the reports of a message are those of one host.
  all.sort((one, other) => one.host - other.host);
  const messages: Pair[][] = [];
  for (let at = 0; at < pairs; at += batch) messages.push(all.slice(at, at + batch));
  // One message after the other: the store forgets its books when its time goes back.
  const take = async (turn: number): Promise<void> => {
    for (const [place, message] of messages.entries()) {
      const now = Math.floor(1e12 + REPORT_MS * (turn + place / messages.length));
      await report(client, sha, message, ownClock ? null : now);
    }
  };
  await take(0);
  const memory = await memoryOf(client);
  const before = (await cpuTime(pid))!;
  for (let turn = 1; turn <= turns; turn++) await take(turn);
  const after = (await cpuTime(pid))!;
  const cpu = (after.user + after.system - before.user - before.system) / TICKS;
  const calls = turns * pairs;
  const figures = [hosts, batch, ownClock ? 'own' : 'made', calls];
  const costs = [(1e6 * cpu) / calls, calls / cpu, memory / pairs].map((one) => one.toFixed(0));
  console.log([...figures, ...costs].map((one) => String(one).padStart(10)).join(''));
}

async function main(): Promise<number> {
  const { pairs, turns } = await toolOptions(
    'shared-cost',
    'What hosts that share limits cost the store: processor time and memory of a redis-server, for groups of\n' +
      'different size, with one report in a message and with many.',
  )
    .options({
      pairs: {
        type: 'number',
        default: 2000,
        describe: 'pairs of a host and a group, in thousands',
      },
      turns: { type: 'number', default: 5, describe: 'reports of each pair' },
    })
    .parseAsync();
  inRange('pairs', pairs, 1000, 100_000);
  if (pairs % 1000 !== 0) throw new UsageError('--pairs: expected a multiple of 1000');
  inRange('turns', turns, 1, 10_000);
  const folder = await temporaryFolder('/tmp');
  const socket = join(folder, 'store');
  const words = `--port 0 --unixsocket ${socket} --dir ${folder} --save`.split(' ');
  const store = await start('redis-server', [...words, ''], folder);
  for (; !store.output().includes('connections at'); await delay(20)) {
    if (!store.isAlive()) throw new Error(store.output());
  }
  const client = new Redis(socket);
  const heads = ['hosts', 'message', 'clock', 'calls', 'us/call', 'calls/s', 'bytes'];
  console.log(heads.map((one) => one.padStart(10)).join(''));
  for (const hosts of HOSTS) {
    for (const batch of BATCHES) {
      await measure(client, store.pid, { pairs, hosts, batch, turns, ownClock: false });
    }
  }
  for (const batch of BATCHES) {
    await measure(client, store.pid, { pairs, hosts: 1, batch, turns, ownClock: true });
  }
  client.disconnect();
  return 0;
}

await runTool('shared-cost', main);
