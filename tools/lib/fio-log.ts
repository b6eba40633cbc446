/** Requests in the order of their completion, as fio's latency log without averaging gives them. */
export interface Completions {
  /** Milliseconds from the job's start, ascending. */
  timesMs: Float64Array;
  /** Completion latency, microseconds. */
  latenciesUs: Float64Array;
  /** Bytes of each request. */
  bytes: Float64Array;
}

/** Reads the lines `time ms, latency ns, direction, bytes, ...` of a `_clat.1.log` of one job. */
export function parseLatencyLog(text: string): Completions {
  const lines = text.split('\n').filter((line) => line !== '');
  const timesMs = new Float64Array(lines.length);
  const latenciesUs = new Float64Array(lines.length);
  const bytes = new Float64Array(lines.length);
  for (let i = 0; i < lines.length; i++) {
    const fields = lines[i].split(',');
    timesMs[i] = Number(fields[0]);
    latenciesUs[i] = Number(fields[1]) / 1000;
    bytes[i] = Number(fields[3]);
  }
  return { timesMs, latenciesUs, bytes };
}

/**
 * 99th percentile (nearest rank) of the latencies of requests completed by `endMs`, microseconds; NaN
 * if there are none. Later requests are left out: after its time fio collects the last requests all at
 * once when the last one is complete, so they look up to twice as slow as they were.
 */
export function p99Until({ timesMs, latenciesUs }: Completions, endMs: number): number {
  const counted = latenciesUs.filter((_, i) => timesMs[i] <= endMs).sort();
  return counted.length === 0 ? Number.NaN : counted[Math.ceil(counted.length * 0.99) - 1];
}

/** Rates per second, null when all requests were completed at one time. */
export interface SteadyRate {
  iops: number;
  bytesPerSecond: number;
}

/**
 * The rate from the first completion to the last: n - 1 requests in the n - 1 gaps between them.
 * The total over the whole time counts n requests in n - 1 gaps if the first one is served at once. For
 * 14 requests of 1 MiB at 1 MiB/s this makes 7.7 %.
 */
export function steadyRate({ timesMs, bytes }: Completions): SteadyRate | null {
  const last = timesMs.length - 1;
  const seconds = last < 1 ? 0 : (timesMs[last] - timesMs[0]) / 1000;
  if (seconds <= 0) return null;
  let sum = 0;
  for (let i = 1; i <= last; i++) sum += bytes[i];
  return { iops: last / seconds, bytesPerSecond: sum / seconds };
}
