import type { FioJob } from './lib/fio.js';

/** The place of the image: in memory, to see the cost of the server, or on a disk, as users have it. */
export type Storage = 'tmpfs' | 'disk';

/** One workload on one storage. */
export interface BenchCase {
  /** `STORAGE/WORKLOAD`, for --only and as the key in the JSON. */
  id: string;
  storage: Storage;
  title: string;
  unit: 'iops' | 'bytes';
  job: Pick<FioJob, 'rw' | 'blockSize' | 'depth' | 'jobs'>;
}

type Workload = Omit<BenchCase, 'id' | 'storage'> & { id: string };

const KIB = 1024;

function random(rw: 'randread' | 'randwrite', jobs: number, depth: number): Workload {
  return {
    id: jobs === 1 ? `${rw}-qd${depth}` : `${rw}-${jobs}x${depth}`,
    title: `4 KiB ${rw}, ${jobs === 1 ? '' : `${jobs} jobs x `}QD ${depth}`,
    unit: 'iops',
    job: { rw, blockSize: 4 * KIB, depth, jobs },
  };
}

const COMMON: Workload[] = [
  random('randread', 1, 1),
  random('randread', 1, 32),
  random('randread', 4, 32),
  random('randwrite', 4, 32),
  {
    id: 'read-1m-qd8',
    title: '1 MiB read, QD 8',
    unit: 'bytes',
    job: { rw: 'read', blockSize: KIB * KIB, depth: 8, jobs: 1 },
  },
];

function on(storage: Storage, workloads: Workload[]): BenchCase[] {
  return workloads.map((workload) => ({ ...workload, storage, id: `${storage}/${workload.id}` }));
}

/** Every case, in the order of the report. */
export const BENCH_CASES: readonly BenchCase[] = [
  ...on('tmpfs', COMMON),
  ...on('disk', [...COMMON, random('randwrite', 1, 32)]),
];
