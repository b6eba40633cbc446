import { readFile } from 'node:fs/promises';
import { type Child, settles, start } from './process.js';

/** One fio job on an existing file: libaio, O_DIRECT, for a fixed time. */
export interface FioJob {
  file: string;
  /** Number of bytes of the file to use. The file must be that large: fio does not create or grow it. */
  size: number;
  rw: 'read' | 'write' | 'randread' | 'randwrite';
  /** Bytes of a request. */
  blockSize: number;
  depth: number;
  jobs: number;
  seconds: number;
  /** Requests a second, at most; missing: as many as can be. */
  rate?: number;
  /** Seconds before the measured time, not counted. */
  rampSeconds: number;
  /** Prefix of a log with a line per completed request (`PREFIX_clat.1.log`). */
  log?: string;
}

/** The result in the direction of the job, over all its processes. */
export interface FioResult {
  iops: number;
  bytesPerSecond: number;
  ios: number;
  bytes: number;
  /** Measured time including the drain of the last requests, milliseconds. */
  runtimeMs: number;
  /** Completion latency, microseconds. */
  clatP50Us: number;
  clatP99Us: number;
  clatP999Us: number;
  clatMaxUs: number;
}

/** The part of fio's JSON that is read. */
interface FioDirection {
  iops: number;
  bw_bytes: number;
  total_ios: number;
  io_bytes: number;
  runtime: number;
  clat_ns: { max: number; percentile?: Record<string, number> };
}

interface FioOutput {
  jobs: { error: number; read: FioDirection; write: FioDirection }[];
}

/**
 * Reads fio's JSON, which warnings may precede. Throws when there is none, when a job failed or
 * when no request was completed.
 */
export function parseFio(text: string, direction: 'read' | 'write'): FioResult {
  const begin = text.search(/^\{/m);
  const end = text.lastIndexOf('}');
  if (begin < 0 || end < begin) throw new Error(`fio: no result: ${text.trim().slice(-500)}`);
  const output = JSON.parse(text.slice(begin, end + 1)) as FioOutput;
  const job = output.jobs[0];
  if (!job) throw new Error('fio: no job in its result');
  if (job.error !== 0) throw new Error(`fio: a request failed with errno ${job.error}`);
  const done = job[direction];
  if (done.total_ios === 0) throw new Error('fio: no request was completed');
  const percentile = done.clat_ns.percentile ?? {};
  return {
    iops: done.iops,
    bytesPerSecond: done.bw_bytes,
    ios: done.total_ios,
    bytes: done.io_bytes,
    runtimeMs: done.runtime,
    clatP50Us: (percentile['50.000000'] ?? Number.NaN) / 1000,
    clatP99Us: (percentile['99.000000'] ?? Number.NaN) / 1000,
    clatP999Us: (percentile['99.900000'] ?? Number.NaN) / 1000,
    clatMaxUs: done.clat_ns.max / 1000,
  };
}

/** fio's arguments for a job. */
export function fioArguments(job: FioJob): string[] {
  return [
    '--name=job',
    `--filename=${job.file}`,
    `--size=${job.size}`,
    '--allow_file_create=0',
    `--rw=${job.rw}`,
    `--bs=${job.blockSize}`,
    `--iodepth=${job.depth}`,
    `--numjobs=${job.jobs}`,
    '--direct=1',
    '--ioengine=libaio',
    '--time_based',
    `--runtime=${Math.round(job.seconds * 1000)}ms`,
    ...(job.rate === undefined ? [] : [`--rate_iops=${job.rate}`]),
    ...(job.rampSeconds > 0 ? [`--ramp_time=${Math.round(job.rampSeconds * 1000)}ms`] : []),
    ...(job.log === undefined ? [] : [`--write_lat_log=${job.log}`]),
    '--group_reporting',
    '--output-format=json',
  ];
}

/** A fio under way. */
export interface RunningFio {
  done: Promise<FioResult>;
  isAlive(): boolean;
  /** Kills it; returns when it has ended, or after two seconds, because its requests may wait. */
  stop(): Promise<void>;
  /** Has it end by itself, with its processes; returns when it has, or after ten seconds. */
  end(): Promise<void>;
}

async function result(fio: Child, job: FioJob): Promise<FioResult> {
  // Under a limit the last requests can take long, but no case here needs a minute.
  const seconds = job.rampSeconds + job.seconds + 60;
  if (!(await settles(fio.closed, seconds * 1000))) {
    fio.kill('SIGKILL');
    throw new Error(`fio: not done after ${seconds} s`);
  }
  return parseFio(fio.output(), job.rw.endsWith('read') ? 'read' : 'write');
}

/** The processes of a fio. Each has a session of its own, so a signal to fio's group does not reach them. */
async function jobsOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  return text.split(' ').filter(Boolean).map(Number);
}

function killProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

/** Starts fio in `cwd`. */
export async function startFio(job: FioJob, cwd: string): Promise<RunningFio> {
  const fio = await start('fio', fioArguments(job), cwd);
  const done = result(fio, job);
  done.catch(() => {}); // A caller that stops fio does not await its result.
  const kill = async (): Promise<void> => {
    const jobs = await jobsOf(fio.pid);
    if (fio.isAlive()) fio.kill('SIGKILL');
    for (const job of jobs) killProcess(job);
    await settles(fio.exited, 2000);
  };
  const end = async (): Promise<void> => {
    if (fio.isAlive()) fio.kill('SIGINT');
    await settles(fio.exited, 10_000);
  };
  return { done, isAlive: fio.isAlive, stop: kill, end };
}

/** Runs fio to its end. */
export async function runFio(job: FioJob, cwd: string): Promise<FioResult> {
  return (await startFio(job, cwd)).done;
}
