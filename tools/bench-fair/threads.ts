import { type Child, settles, start } from '../lib/process.js';

/** Many threads, each with one request in flight, for a fixed time or until they are ended. */
export interface ThreadLoad {
  file: string;
  /** Bytes of the file to use. */
  size: number;
  rw: 'randread' | 'randwrite' | 'randrw';
  /** Bytes of a request. */
  bytes: number;
  jobs: number;
  seconds: number;
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
    `--bs=${load.bytes}`,
    `--numjobs=${load.jobs}`,
    '--direct=1',
    '--ioengine=psync',
    '--norandommap',
    '--time_based',
    `--runtime=${Math.round(load.seconds * 1000)}ms`,
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
  const seconds = load.seconds + 60;
  if (await settles(fio.closed, seconds * 1000)) return parseThreads(fio.output());
  fio.kill('SIGKILL');
  throw new Error(`fio: not done after ${seconds} s`);
}

/** Threads that run. */
export interface RunningThreads {
  result: Promise<ThreadResult>;
  /** Ends all of them. */
  end(): void;
  /** Stops all of them at once, or lets them go on, between two requests of each. */
  pause(isPaused: boolean): void;
}

/** Starts loads at the same time. */
export function startThreads(
  loads: readonly ThreadLoad[],
  folder: string,
): Promise<RunningThreads[]> {
  return Promise.all(
    loads.map(async (load) => {
      const [command = 'fio', ...rest] = [...load.prefix, 'fio', ...fioWords(load)];
      const fio = await start(command, rest, folder);
      return {
        result: result(fio, load),
        end: () => fio.kill('SIGINT'),
        pause: (isPaused: boolean) => fio.kill(isPaused ? 'SIGSTOP' : 'SIGCONT'),
      };
    }),
  );
}
