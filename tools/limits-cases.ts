import type { FioJob, FioResult } from './lib/fio.js';
import type { SteadyRate } from './lib/fio-log.js';

/** One absolute limit under a workload that asks for more. */
export interface LimitCase {
  /** `LIMIT/REQUEST/DIRECTION`, for --only. */
  id: string;
  /** Key and value as in `--group NAME:KEY=VALUE`. */
  limit: string;
  /** The limit as a number: requests or bytes per second. */
  rate: number;
  unit: 'iops' | 'bytes';
  job: Pick<FioJob, 'rw' | 'blockSize' | 'depth'>;
}

const KIB = 1024;
const MIB = KIB * KIB;

const SHAPES: readonly (Pick<LimitCase, 'limit' | 'rate' | 'unit'> & {
  blockSize: number;
  depth: number;
})[] = [
  { limit: 'iops=100', rate: 100, unit: 'iops', blockSize: 4 * KIB, depth: 32 },
  { limit: 'iops=1000', rate: 1000, unit: 'iops', blockSize: 4 * KIB, depth: 32 },
  { limit: 'iops=20000', rate: 20_000, unit: 'iops', blockSize: 4 * KIB, depth: 32 },
  { limit: 'bps=1M', rate: MIB, unit: 'bytes', blockSize: 256 * KIB, depth: 4 },
  { limit: 'bps=1M', rate: MIB, unit: 'bytes', blockSize: MIB, depth: 4 },
  { limit: 'bps=10M', rate: 10 * MIB, unit: 'bytes', blockSize: 4 * KIB, depth: 32 },
  { limit: 'bps=100M', rate: 100 * MIB, unit: 'bytes', blockSize: 4 * KIB, depth: 32 },
  { limit: 'bps=100M', rate: 100 * MIB, unit: 'bytes', blockSize: 64 * KIB, depth: 32 },
];

/** Every case: each shape reading and writing. */
export const LIMIT_CASES: readonly LimitCase[] = SHAPES.flatMap((shape) =>
  (['randread', 'randwrite'] as const).map((rw) => {
    const { limit, rate, unit, blockSize, depth } = shape;
    const id = `${limit}/${blockSize / KIB}K/${rw}`;
    return { id, limit, rate, unit, job: { rw, blockSize, depth } };
  }),
);

/** The figures of a run. */
export interface LimitResult {
  id: string;
  unit: 'iops' | 'bytes';
  asked: number;
  /** All that was completed over the whole time, including the last requests in flight, per second. */
  got: number;
  errorPercent: number;
  /** The error of the rate from the first completion to the last; null if there is no such rate. */
  steadyErrorPercent: number | null;
  tolerancePercent: number;
  requests: number;
  p99Us: number;
  /** Latency of an evenly served queue: depth divided by requests per second. */
  idealUs: number;
  p99OverIdeal: number;
  rateOk: boolean;
  latencyOk: boolean;
}

/** Allowed error in percent, and below the larger one for fewer than 100 requests. */
const TOLERANCE_PERCENT = 0.5;
const TOLERANCE_FEW_PERCENT = 1;
const FEW_REQUESTS = 100;
/** Allowed p99 completion latency over the ideal one. */
const LATENCY_FACTOR = 1.25;

/** The rate to judge. */
export type Measure = 'total' | 'steady';

/** Compares fio's result with the limit. */
export function judgeLimit(
  { id, unit, rate, job }: LimitCase,
  done: Pick<FioResult, 'ios' | 'bytes' | 'runtimeMs'> & { p99Us: number },
  steady: SteadyRate | null,
  measure: Measure,
): LimitResult {
  const percent = (got: number): number => (100 * (got - rate)) / rate;
  const units = unit === 'iops' ? done.ios : done.bytes;
  const got = units / (done.runtimeMs / 1000);
  const errorPercent = percent(got);
  const evenly = unit === 'iops' ? steady?.iops : steady?.bytesPerSecond;
  const steadyErrorPercent = evenly === undefined ? null : percent(evenly);
  const tolerancePercent = done.ios < FEW_REQUESTS ? TOLERANCE_FEW_PERCENT : TOLERANCE_PERCENT;
  const perRequest = unit === 'iops' ? 1 : job.blockSize;
  const idealUs = (1e6 * job.depth * perRequest) / rate;
  const p99OverIdeal = done.p99Us / idealUs;
  const judged = measure === 'total' ? errorPercent : steadyErrorPercent;
  return {
    ...{ id, unit, asked: rate, got, errorPercent, steadyErrorPercent, tolerancePercent },
    ...{ requests: done.ios, p99Us: done.p99Us, idealUs, p99OverIdeal },
    rateOk: judged !== null && Math.abs(judged) <= tolerancePercent,
    latencyOk: p99OverIdeal <= LATENCY_FACTOR,
  };
}
