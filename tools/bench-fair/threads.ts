import { type Child, settles, start } from '../lib/process.js';

/** Many threads, each with one request in flight, for a fixed time. */
export interface ThreadLoad {
  file: string;
  /** Bytes of the file to use. */
  size: number;
  rw: 'randread' | 'randwrite' | 'randrw';
  jobs: number;
  seconds: number;
  rampSeconds: number;
  /** Words before `fio` that make it run as another user or in a cgroup. */
  prefix: readonly string[];
}

/** The result of all threads together. */
export interface ThreadResult {
  iops: number;
  /** Completion latency of reads, or of writes if there are no reads, microseconds. */
  p99Us: number;
}

interface Side {
  iops: number;
  total_ios: number;
  clat_ns: { percentile?: Record<string, number> };
}

function fioWords(load: ThreadLoad): string[] {
  return [
    '--name=job',
    '--thread',
    `--filename=${load.file}`,
    `--size=${load.size}`,
    '--allow_file_create=0',
    `--rw=${load.rw}`,
    '--bs=4096',
    `--numjobs=${load.jobs}`,
    '--direct=1',
    '--ioengine=psync',
    '--norandommap',
    '--time_based',
    `--runtime=${Math.round(load.seconds * 1000)}ms`,
    `--ramp_time=${Math.round(load.rampSeconds * 1000)}ms`,
    '--group_reporting',
    '--output-format=json',
  ];
}

/** Throws when there is no result or a request failed. */
export function parseThreads(text: string): ThreadResult {
  const begin = text.search(/^\{/m);
  if (begin < 0) throw new Error(`fio: no result: ${text.trim().slice(-500)}`);
  const output = JSON.parse(text.slice(begin, text.lastIndexOf('}') + 1)) as {
    jobs: { error: number; read: Side; write: Side }[];
  };
  const job = output.jobs[0];
  if (!job) throw new Error('fio: no job in its result');
  if (job.error !== 0) throw new Error(`fio: a request failed with errno ${job.error}`);
  const main = job.read.total_ios > 0 ? job.read : job.write;
  const p99 = main.clat_ns.percentile?.['99.000000'] ?? Number.NaN;
  return { iops: job.read.iops + job.write.iops, p99Us: p99 / 1000 };
}

async function result(fio: Child, load: ThreadLoad): Promise<ThreadResult> {
  const seconds = load.rampSeconds + load.seconds + 60;
  if (await settles(fio.closed, seconds * 1000)) return parseThreads(fio.output());
  fio.kill('SIGKILL');
  throw new Error(`fio: not done after ${seconds} s`);
}

/** Runs loads at the same time. */
export async function runThreads(
  loads: readonly ThreadLoad[],
  folder: string,
): Promise<ThreadResult[]> {
  const children = await Promise.all(
    loads.map((load) => {
      const [command = 'fio', ...rest] = [...load.prefix, 'fio', ...fioWords(load)];
      return start(command, rest, folder);
    }),
  );
  return Promise.all(children.map((child, index) => result(child, loads[index]!)));
}
