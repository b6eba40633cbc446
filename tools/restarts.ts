import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseStats } from '../src/tree/reports.js';
import { runTool } from './lib/cleanup.js';
import { temporaryFolder } from './lib/image.js';
import { inRange, toolOptions } from './lib/options.js';
import { run, start } from './lib/process.js';
import { SLUICE } from './lib/program.js';
import { checkSluiceBuilt, mountSluice } from './lib/sluice.js';

/** Longest time for one restart, milliseconds. */
const RESTART_MS = 120_000;
const MIB = 1 << 20;
const JOBS = 4;
/** fio runs without restarts for so long, before and after them. */
const SETTLE_MS = 1000;
/** A limit may be exceeded by 1 %. */
const TOLERANCE = 1.01;

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
function jobText(files: Readonly<Record<string, string>>, mib: number, seconds: number): string {
  const common = [
    ...['ioengine=libaio', 'direct=1', 'iodepth=32', 'rw=randrw', 'bssplit=4k/60:16k/30:64k/10'],
    ...['verify=crc32c', 'verify_fatal=1', 'verify_backlog=512', 'verify_state_save=0'],
    ...[`size=${mib / JOBS}m`, `offset_increment=${mib / JOBS}m`, `numjobs=${JOBS}`],
    ...['time_based', `runtime=${seconds}`],
  ];
  const jobs = Object.entries(files).map(([name, file]) => {
    return `[${name}]\nnew_group\ngroup_reporting\nfilename=${file}\n`;
  });
  return `[global]\n${common.join('\n')}\n${jobs.join('')}`;
}

async function main(): Promise<number> {
  const options = toolOptions('restarts', 'A mount goes from process to process beneath fio.')
    .option('count', { type: 'number', default: 50, describe: 'restarts' })
    .option('pause-ms', { type: 'number', default: 300, describe: 'at most, before each restart' })
    .option('limit', { type: 'number', default: 40, describe: 'MiB/s of the raw image' })
    .option('size-mib', { type: 'number', default: 256, describe: 'of each image' })
    .option('most', { type: 'number', default: 500, describe: 'ms that a request may take' })
    .option('dir', { type: 'string', default: '/dev/shm', describe: 'where images are made' })
    .parseSync();
  const { count, limit, most, dir } = options;
  const [mib, pauseMs] = [options['size-mib'], options['pause-ms']];
  inRange('count', count, 1, 10_000);
  inRange('size-mib', mib, 16, 65_536);
  await checkSluiceBuilt();
  const folder = await temporaryFolder(dir);
  const [raw, vm] = [join(folder, 'raw.img'), join(folder, 'vm.qcow2')];
  await run('truncate', ['-s', `${mib}M`, raw]);
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', vm, `${mib}M`]);
  const groups = ['--group', `slow:bps=${limit}M`, '--group', 'heavy:weight=300'];
  const members = ['--assign', 'raw=slow', '--assign', 'vm=heavy'];
  const words = [...groups, ...members, '--log', join(folder, 'log')];
  const mount = await mountSluice(join(folder, 'mnt'), { raw, vm }, mib * MIB, words);
  const job = join(folder, 'job');
  const result = join(folder, 'result');
  const files = { raw: mount.file('raw'), vm: mount.file('vm') };
  // fio is ended by a signal when the last restart is done.
  await writeFile(job, jobText(files, mib, 24 * 3600));
  const fio = await start('fio', ['--output-format=json', `--output=${result}`, job], '/');
  const stalls: number[] = [];
  await delay(SETTLE_MS);
  const [before, begin] = [await charged(mount.mountpoint), performance.now()];
  while (stalls.length < count && fio.isAlive()) {
    await delay(Math.random() * pauseMs);
    const told = await run(process.execPath, [SLUICE, 'restart', mount.mountpoint], RESTART_MS);
    stalls.push(Number(/waited for (\d+) ms/.exec(told)![1]));
  }
  await delay(SETTLE_MS);
  const seconds = (performance.now() - begin) / 1000;
  const rate = ((await charged(mount.mountpoint)) - before) / seconds / MIB;
  const faults = fio.isAlive() ? [] : [`fio has ended: ${fio.output()}`];
  fio.kill('SIGINT');
  await fio.exited;
  await mount.stop();
  const text = await readFile(result, 'utf8');
  const { jobs } = JSON.parse(text.slice(text.indexOf('{'))) as Output;
  for (const { jobname, error, read, write } of jobs) {
    const longest = Math.max(read.clat_ns.max, write.clat_ns.max) / 1e6;
    const bytes = (read.io_bytes + write.io_bytes) / MIB;
    console.log(`${jobname}: ${bytes.toFixed(0)} MiB, longest request ${longest.toFixed(0)} ms`);
    if (error !== 0)
      faults.push(`${jobname}: a request failed, or bytes are wrong: errno ${error}`);
    // Requests of the other image also wait for its limit.
    if (jobname === 'vm' && longest > most) faults.push(`${jobname}: longer than ${most} ms`);
  }
  stalls.sort((one, other) => one - other);
  const middle = stalls[stalls.length >> 1];
  console.log(`${stalls.length} restarts: median ${middle} ms, longest ${stalls.at(-1)} ms`);
  console.log(`limit ${limit} MiB/s: ${rate.toFixed(2)} MiB/s`);
  if (rate > limit * TOLERANCE) faults.push('the limit was exceeded');
  await run('qemu-img', ['check', '-q', vm]);
  for (const fault of faults) console.log(fault);
  if (faults.length === 0) console.log('no fault');
  return faults.length === 0 ? 0 : 1;
}

/** Bytes that the limited group has let pass. */
async function charged(mountpoint: string): Promise<number> {
  const text = await readFile(join(mountpoint, '.groups/slow/io.stat'), 'utf8');
  const { rbytes, wbytes } = parseStats(text).total;
  return rbytes + wbytes;
}

await runTool('restarts', main);
