import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseStats } from '../src/tree/reports.js';
import { runTool } from './lib/cleanup.js';
import { temporaryFolder } from './lib/image.js';
import { inRange, toolOptions } from './lib/options.js';
import { run, start } from './lib/process.js';
import { SLUICE } from './lib/program.js';
import { checkSluiceBuilt, daemonPid, mountSluice } from './lib/sluice.js';

/** Longest time for one restart, milliseconds. */
const RESTART_MS = 120_000;
const MIB = 1 << 20;
const JOBS = 4;
/** New daemons of one mount that is killed. */
const KILLS = 5;
/** The disk of the qcow2 image of a mount that is killed is so much longer: it never has all of its clusters. */
const LONGER = 8;
/** Its clusters, in one mount after the other. */
const CLUSTERS = ['64k', '4k'];
/** fio runs without restarts for so long, before and after them: first a burst is used up, last a stall is made up for. */
const SETTLE_MS = 1000;
const BURST_SETTLE_MS = 4000;
/** A limit may be exceeded by 1 %, and with a burst no more than that may be missing. */
const TOLERANCE = 0.01;

/** The part of fio's JSON that is read. */
interface Side {
  io_bytes: number;
  runtime: number;
  clat_ns: { max: number };
}
interface Output {
  jobs: { jobname: string; error: number; read: Side; write: Side }[];
}

/** Jobs that verify what they wrote: 4 processes on each of two images, each with a part for itself. */
function jobText(
  files: Readonly<Record<string, [file: string, mib: number]>>,
  sizes: string,
): string {
  const common = [
    ...['ioengine=libaio', 'direct=1', 'iodepth=32', 'rw=randrw', `bssplit=${sizes}`],
    ...['verify=crc32c', 'verify_fatal=1', 'verify_backlog=512', 'verify_state_save=0'],
    `numjobs=${JOBS}`,
    // It is ended by a signal when the last new daemon serves.
    ...['time_based', `runtime=${24 * 3600}`],
  ];
  const jobs = Object.entries(files).map(([name, [file, mib]]) => {
    const part = `size=${mib / JOBS}m\noffset_increment=${mib / JOBS}m`;
    return `[${name}]\nnew_group\ngroup_reporting\nfilename=${file}\n${part}\n`;
  });
  return `[global]\n${common.join('\n')}\n${jobs.join('')}`;
}

interface Options {
  /** Daemons are killed, and a keeper starts the next one. */
  kill: boolean;
  count: number;
  pauseMs: number;
  limit: number;
  /** As `burst.bps`, in MiB/s; undefined: none. */
  burst: string | undefined;
  mib: number;
  /** Of requests, as fio's bssplit. */
  sizes: string;
  most: number;
  dir: string;
}

/** What one mount has shown. */
interface Round {
  /** Milliseconds in which nothing was served, for each new daemon. */
  stalls: number[];
  /** Milliseconds, for each job. */
  longest: Record<string, number>;
  /** Of the limited group, MiB/s. */
  rate: number;
  faults: string[];
}

function readOptions(): Options {
  const options = toolOptions('restarts', 'A mount goes from process to process beneath fio.')
    .option('kill', { type: 'boolean', default: false, describe: 'kill daemons with --keeper' })
    .option('count', { type: 'number', default: 50, describe: 'restarts or kills' })
    .option('pause-ms', { type: 'number', default: 300, describe: 'at most, before each of them' })
    .option('limit', { type: 'number', default: 40, describe: 'MiB/s of the raw image' })
    .option('burst', { type: 'string', describe: 'of that group: MiB/s, a slash, seconds' })
    .option('size-mib', { type: 'number', default: 256, describe: 'of each image' })
    .option('sizes', { default: '4k/60:16k/30:64k/10', describe: 'of requests, as bssplit of fio' })
    .option('most', { type: 'number', describe: 'ms that a request may take: 500, or 1500' })
    .option('dir', { type: 'string', default: '/dev/shm', describe: 'where images are made' })
    .parseSync();
  const { kill, count, limit, burst, dir, sizes, most = kill ? 1500 : 500 } = options;
  const [mib, pauseMs] = [options['size-mib'], options['pause-ms']];
  inRange('count', count, 1, 10_000);
  inRange('size-mib', mib, 16, 65_536);
  return { kill, count, pauseMs, limit, burst, mib, sizes, most, dir };
}

async function main(): Promise<number> {
  const options = readOptions();
  const { kill, count, limit } = options;
  await checkSluiceBuilt();
  const rounds: Round[] = [];
  // A keeper starts five daemons in a minute.
  const atOnce = kill ? KILLS : count;
  for (let left = count; left > 0; left -= atOnce) {
    const clusters = CLUSTERS[rounds.length % CLUSTERS.length]!;
    const done = await round({ ...options, count: Math.min(left, atOnce) }, clusters);
    rounds.push(done);
    if (done.faults.length > 0) break;
  }
  for (const name of ['raw', 'vm']) {
    const longest = Math.max(...rounds.map((one) => one.longest[name] ?? 0));
    console.log(`${name}: longest request ${longest.toFixed(0)} ms`);
  }
  const stalls = rounds.flatMap((one) => one.stalls).sort((one, other) => one - other);
  const middle = stalls[stalls.length >> 1]!;
  const what = kill ? 'kills' : 'restarts';
  console.log(
    `${stalls.length} ${what}: median ${middle.toFixed(0)} ms, longest ${stalls.at(-1)?.toFixed(0)} ms`,
  );
  const rates = rounds.map((one) => one.rate).sort((one, other) => one - other);
  const [least, most] = [rates[0]!.toFixed(2), rates.at(-1)!.toFixed(2)];
  console.log(`limit ${limit} MiB/s: ${least === most ? most : `${least} to ${most}`} MiB/s`);
  const faults = rounds.flatMap((one) => one.faults);
  for (const fault of faults) console.log(fault);
  if (faults.length === 0) console.log('no fault');
  return faults.length === 0 ? 0 : 1;
}

/** A mount that has `count` new daemons. @param clusters The size of those of the qcow2 image. */
async function round(options: Options, clusters: string): Promise<Round> {
  const { kill, count, pauseMs, limit, burst, mib, most, dir } = options;
  const folder = await temporaryFolder(dir);
  const [raw, vm] = [join(folder, 'raw.img'), join(folder, 'vm.qcow2')];
  const vmMib = kill ? LONGER * mib : mib;
  await run('truncate', ['-s', `${vmMib}M`, raw]);
  const how = ['-f', 'qcow2', '-o', `cluster_size=${clusters}`];
  await run('qemu-img', ['create', '-q', ...how, vm, `${vmMib}M`]);
  const [rate, seconds] = burst?.split('/') ?? [];
  const burstOf = burst === undefined ? '' : `,burst.bps=${rate}M/${seconds}`;
  const groups = ['--group', `slow:bps=${limit}M${burstOf}`, '--group', 'heavy:weight=300'];
  const members = ['--assign', 'raw=slow', '--assign', 'vm=heavy'];
  const words = [
    ...groups,
    ...members,
    '--log',
    join(folder, 'log'),
    ...(kill ? ['--keeper'] : []),
  ];
  const mount = await mountSluice(join(folder, 'mnt'), { raw, vm }, vmMib * MIB, words);
  const job = join(folder, 'job');
  const result = join(folder, 'result');
  const files = {
    raw: [mount.file('raw'), mib] as [string, number],
    vm: [mount.file('vm'), vmMib] as [string, number],
  };
  await writeFile(job, jobText(files, options.sizes));
  const fio = await start('fio', ['--output-format=json', `--output=${result}`, job], '/');
  const stalls: number[] = [];
  const settleMs = burst === undefined ? SETTLE_MS : BURST_SETTLE_MS;
  await delay(settleMs);
  const [before, begin] = [await charged(mount.mountpoint), performance.now()];
  while (stalls.length < count && fio.isAlive()) {
    await delay(Math.random() * pauseMs);
    stalls.push(await (kill ? killed : restarted)(mount.mountpoint));
  }
  await delay(settleMs);
  const lasted = (performance.now() - begin) / 1000;
  const passed = ((await charged(mount.mountpoint)) - before) / lasted / MIB;
  const faults = fio.isAlive() ? [] : [`fio has ended: ${fio.output()}`];
  fio.kill('SIGINT');
  await fio.exited;
  await mount.stop();
  const text = await readFile(result, 'utf8');
  const { jobs } = JSON.parse(text.slice(text.indexOf('{'))) as Output;
  const longest: Record<string, number> = {};
  for (const { jobname, error, read, write } of jobs) {
    longest[jobname] = Math.max(read.clat_ns.max, write.clat_ns.max) / 1e6;
    if (error !== 0)
      faults.push(`${jobname}: a request failed, or bytes are wrong: errno ${error}`);
  }
  // Requests of the other image also wait for its limit.
  if (longest.vm! > most) faults.push(`vm: longer than ${most} ms`);
  if (passed > limit * (1 + TOLERANCE)) faults.push('the limit was exceeded');
  if (burst !== undefined && passed < limit * (1 - TOLERANCE))
    faults.push(`${passed.toFixed(2)} MiB/s: the stalls were not made up for`);
  await run('qemu-img', ['check', '-q', vm]);
  await rm(folder, { recursive: true });
  return { stalls, longest, rate: passed, faults };
}

/** @returns milliseconds in which nothing was served */
async function restarted(mountpoint: string): Promise<number> {
  const told = await run(process.execPath, [SLUICE, 'restart', mountpoint], RESTART_MS);
  return Number(/waited for (\d+) ms/.exec(told)![1]);
}

/** The same: until the next daemon has answered a request that came after the death of this one. */
async function killed(mountpoint: string): Promise<number> {
  const pid = await daemonPid(mountpoint);
  const begin = performance.now();
  process.kill(pid, 'SIGKILL');
  while ((await daemonPid(mountpoint)) === pid) await delay(1);
  return performance.now() - begin;
}

/** Bytes that the limited group has let pass. */
async function charged(mountpoint: string): Promise<number> {
  const text = await readFile(join(mountpoint, '.groups/slow/io.stat'), 'utf8');
  const { rbytes, wbytes } = parseStats(text).total;
  return rbytes + wbytes;
}

await runTool('restarts', main);
