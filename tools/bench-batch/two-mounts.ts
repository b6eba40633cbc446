import { join } from 'node:path';
import { startFio } from '../lib/fio.js';
import { makeImage, temporaryFolder } from '../lib/image.js';
import type { Slice } from '../lib/in-slices.js';
import { cpuTime } from '../lib/process.js';
import { mountSluice } from '../lib/sluice.js';
import { rotate } from '../lib/stats.js';

const IMAGE_MIB = 256;
const SIZE = IMAGE_MIB << 20;
const NAMES = ['a', 'b'];
/** Of a clock tick, in which the kernel tells processor times. */
const TICK_NS = 1e7;

/** Loads on two images: so many processes on each. */
const LOADS = [
  { name: 'randread, 2 x QD 1', depth: 1, jobs: 1 },
  { name: 'randread, 2 x QD 32', depth: 32, jobs: 1 },
  { name: 'randread, 4 x QD 32', depth: 32, jobs: 2 },
] as const;

/** The same load on two images in memory: with one mount of both, and with two mounts of one. */
export interface Mounts {
  name: string;
  one: Slice[];
  two: Slice[];
}

/** Measures each load in alternating rounds of `seconds`. The images lie below `parent`. */
export async function* measureMounts(
  parent: string,
  rounds: number,
  seconds: number,
): AsyncGenerator<Mounts> {
  const folder = await temporaryFolder(parent);
  const images = NAMES.map((name) => [name, join(folder, `${name}.img`)] as const);
  for (const [, path] of images) await makeImage(path, IMAGE_MIB);
  for (const { name, ...shape } of LOADS) {
    const found: Record<'one' | 'two', Slice[]> = { one: [], two: [] };
    for (let round = 0; round < rounds; round++) {
      for (const how of rotate(['one', 'two'] as const, round)) {
        const sets = how === 'one' ? [images] : images.map((image) => [image]);
        found[how].push(await measure(folder, sets, { ...shape, seconds }));
      }
    }
    yield { name, ...found };
  }
}

/** @param sets The images of each mount. */
async function measure(
  folder: string,
  sets: readonly (readonly (readonly [string, string])[])[],
  shape: { depth: number; jobs: number; seconds: number },
): Promise<Slice> {
  const mounts = await Promise.all(
    sets.map((set, index) => {
      return mountSluice(join(folder, `mount-${index}`), Object.fromEntries(set), SIZE, []);
    }),
  );
  const ticks = async (): Promise<number> => {
    const times = await Promise.all(mounts.map(({ pid }) => cpuTime(pid)));
    return times.reduce((sum, time) => sum + (time === null ? 0 : time.user + time.system), 0);
  };
  const requests = async (): Promise<number> => {
    const counts = await Promise.all(mounts.map((mount) => mount.requests()));
    return counts.reduce((sum, count) => sum + count, 0);
  };
  try {
    const files = sets.flatMap((set, index) => set.map(([name]) => mounts[index]!.file(name)));
    const common = { size: SIZE, rw: 'randread', blockSize: 4096, rampSeconds: 0.5 } as const;
    const before = { ticks: await ticks(), requests: await requests() };
    const loads = await Promise.all(
      files.map((file) => startFio({ file, ...common, ...shape }, folder)),
    );
    const results = await Promise.all(loads.map(({ done }) => done));
    const iops = results.reduce((sum, result) => sum + result.iops, 0);
    const done = (await requests()) - before.requests;
    return { iops, ns: (((await ticks()) - before.ticks) * TICK_NS) / done };
  } finally {
    for (const mount of mounts) await mount.stop();
  }
}
