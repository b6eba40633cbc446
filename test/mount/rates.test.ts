import { join } from 'node:path';
import { type FioJob, fio } from '../helpers/fio.js';
import { requires } from '../helpers/requires.js';
import { withMount } from '../helpers/sluice-mount.js';
import { MIB, sparseFile, TMPFS, tempFolder } from '../helpers/temp.js';

const fioTest = requires('fuse', 'root', 'io_uring', 'fio');

const RUN = ['size=64m', 'time_based', 'runtime=2'];

interface Case {
  limit: string;
  options: string[];
  /**
   * The rate that fio must measure. It may be at most 2 % higher, because the run is short and begins with
   * the allowance of 10 ms. On a busy machine it may be lower; `tools/limits.ts` measures on an idle one.
   */
  expected: number;
  measure: (job: FioJob) => number;
}

const CASES: readonly Case[] = [
  {
    limit: 'iops=1000',
    options: ['rw=randread', 'bs=4k', 'iodepth=32'],
    expected: 1000,
    measure: (job) => job.read.iops,
  },
  {
    limit: 'iops=5k',
    options: ['rw=randrw', 'bs=4k', 'iodepth=32'],
    expected: 5000,
    measure: (job) => job.read.iops + job.write.iops,
  },
  {
    limit: 'wiops=500,riops=2000',
    options: ['rw=randwrite', 'bs=4k', 'iodepth=16'],
    expected: 500,
    measure: (job) => job.write.iops,
  },
  {
    limit: 'bps=20M',
    options: ['rw=randread', 'bs=64k', 'iodepth=8'],
    expected: 20 * MIB,
    measure: (job) => job.read.bw_bytes,
  },
  {
    limit: 'iops=1000,iops_size=4k',
    options: ['rw=randread', 'bs=16k', 'iodepth=16'],
    expected: 250,
    measure: (job) => job.read.iops,
  },
];

fioTest('limits hold for what fio asks for', async (t) => {
  const folder = tempFolder(t, TMPFS);
  // A disk and a group for each, in one mount.
  const names = CASES.map((_, i) => `d${i}`);
  const images = names.map((name) => sparseFile(join(folder, `${name}.img`), 64 * MIB));
  const words = CASES.flatMap(({ limit }, i) => {
    return ['--group', `g${i}:${limit}`, '--assign', `d${i}=g${i}`];
  });
  await withMount(t, images, words, async (mount) => {
    for (const [i, { limit, options, expected, measure }] of CASES.entries()) {
      const got = measure(await fio(mount.file(`d${i}`), ...RUN, ...options));
      const off = `${((got / expected - 1) * 100).toFixed(2)} % off`;
      t.log(`${limit}, ${options.join(' ')}: ${got}, ${off}`);
      t.true(got < expected * 1.02, `${got} instead of ${expected}`);
      // On a machine with much else to do it is a third of it, and so it is without a limit.
      t.true(got > expected * 0.05, `${got} instead of ${expected}`);
    }
  });
});
