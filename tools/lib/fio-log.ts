/** Requests of one completion time, as a fio bandwidth log without averaging gives them. */
export interface Completions {
  /** Milliseconds from the job's start, ascending, one entry per request. */
  timesMs: Float64Array;
  /** Bytes of each request. */
  bytes: Float64Array;
}

/** Reads the lines `time, rate, direction, bytes, ...` of a `_bw.1.log` of one job. */
export function parseBandwidthLog(text: string): Completions {
  const lines = text.split('\n').filter((line) => line !== '');
  const timesMs = new Float64Array(lines.length);
  const bytes = new Float64Array(lines.length);
  for (let i = 0; i < lines.length; i++) {
    const fields = lines[i].split(',');
    timesMs[i] = Number(fields[0]);
    bytes[i] = Number(fields[3]);
  }
  return { timesMs, bytes };
}

/** Rates per second, null when all requests were completed at one time. */
export interface SteadyRate {
  iops: number;
  bytesPerSecond: number;
}

/**
 * The rate from the first completion to the last: n - 1 requests in the n - 1 gaps between them.
 * Unlike the total over the whole time it has no fence post, which for 14 requests of 1 MiB at
 * 1 MiB/s, the first of them served at once, is 7.7 %.
 */
export function steadyRate({ timesMs, bytes }: Completions): SteadyRate | null {
  const last = timesMs.length - 1;
  const seconds = last < 1 ? 0 : (timesMs[last] - timesMs[0]) / 1000;
  if (seconds <= 0) return null;
  let sum = 0;
  for (let i = 1; i <= last; i++) sum += bytes[i];
  return { iops: last / seconds, bytesPerSecond: sum / seconds };
}
