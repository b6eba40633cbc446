import type { StageTimes } from '../src/throttle/latency-reader.js';
import type { FioJob, FioResult } from './lib/fio.js';

/** A load, and what its mount makes of it. */
export interface LatencyCase {
  /** `WHERE/LOAD`, for --only. */
  readonly id: string;
  readonly storage: 'memory' | 'disk';
  /** Options of the mount, whose image is `img`. */
  readonly words: readonly string[];
  readonly job: Pick<FioJob, 'rw' | 'blockSize' | 'depth' | 'jobs'>;
}

const KIB = 1024;
const reads = { rw: 'randread', blockSize: 4 * KIB } as const;

const LOADS = [
  ['QD 1', { ...reads, depth: 1, jobs: 1 }],
  ['QD 32', { ...reads, depth: 32, jobs: 1 }],
  ['4 x QD 32', { ...reads, depth: 32, jobs: 4 }],
  ['write QD 32', { ...reads, rw: 'randwrite', depth: 32, jobs: 1 }],
] as const;

const group = (words: string): string[] => ['--group', `g:${words}`, '--assign', 'img=g'];

/** Loads that the device, memory, a limit, or a delay on purpose holds back. */
export const LATENCY_CASES: readonly LatencyCase[] = [
  ...(['disk', 'memory'] as const).flatMap((storage) =>
    LOADS.map(([name, job]) => ({ id: `${storage}/${name}`, storage, words: [], job })),
  ),
  {
    id: 'disk/iops=1000 QD 32',
    storage: 'disk',
    words: group('iops=1000'),
    job: { ...reads, depth: 32, jobs: 1 },
  },
  {
    id: 'disk/read.delay=20ms QD 8',
    storage: 'disk',
    words: ['--faults', 'img:read.delay=20ms'],
    job: { ...reads, depth: 8, jobs: 1 },
  },
];

/** The percentiles that are compared. */
export const PERCENTILES = ['p50', 'p99', 'p999'] as const;
type Percentile = (typeof PERCENTILES)[number];

/** Both stages of the requests of a mount since it began, microseconds. */
export interface Stages {
  readonly waitUsec: StageTimes;
  readonly serviceUsec: StageTimes;
}

/** What fio saw, and which part of it the mount did, at one percentile. */
export interface Compared {
  readonly fioUs: number;
  /**
   * The two stages of the mount added up, over what fio saw. Percentiles do not add up, so where both stages are
   * long it can be above 1.
   */
  readonly part: number;
}

/** Compares the times of a mount with those of the fio that made all of its requests. */
export function compare(
  fio: Pick<FioResult, 'clatP50Us' | 'clatP99Us' | 'clatP999Us'>,
  { waitUsec, serviceUsec }: Stages,
): Record<Percentile, Compared> {
  const one = (key: Percentile, fioUs: number): Compared => ({
    fioUs,
    part: (waitUsec[key] + serviceUsec[key]) / fioUs,
  });
  return {
    p50: one('p50', fio.clatP50Us),
    p99: one('p99', fio.clatP99Us),
    p999: one('p999', fio.clatP999Us),
  };
}
