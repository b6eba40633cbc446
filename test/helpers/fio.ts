import { must } from './run.js';

/** The part of a job in fio's JSON output that the tests use. */
export interface FioJob {
  read: FioSide;
  write: FioSide;
}

interface FioSide {
  iops: number;
  /** Bytes per second. */
  bw_bytes: number;
  total_ios: number;
}

/** Words for fio: direct asynchronous I/O on one file, in one process that can be killed. */
export function fioWords(file: string, ...options: string[]): string[] {
  const usual = [
    '--name=test',
    '--thread',
    `--filename=${file}`,
    '--ioengine=libaio',
    '--direct=1',
    // Otherwise a job that verifies leaves a file in its working folder.
    '--verify_state_save=0',
  ];
  return [...usual, '--randseed=1', '--output-format=json', ...options.map((word) => `--${word}`)];
}

/** Runs fio; throws with its message if it reports an error. */
export async function fio(file: string, ...options: string[]): Promise<FioJob> {
  const output = await must('fio', fioWords(file, ...options), { limitMs: 60_000 });
  // Warnings come before the JSON on the same stream.
  const parsed = JSON.parse(output.slice(output.indexOf('{'))) as { jobs: FioJob[] };
  return parsed.jobs[0]!;
}
