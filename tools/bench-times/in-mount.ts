import { join } from 'node:path';
import { makeImage } from '../lib/image.js';
import { type Change, measureInSlices, type Slice } from '../lib/in-slices.js';
import { type Spread, spreadOf } from '../lib/stats.js';

const IMAGE_MIB = 512;

/** What is counted in the slice of that number of a cycle. */
const SLICES = ['nothing', 'times', 'callers', 'both'] as const;
type Part = Exclude<(typeof SLICES)[number], 'nothing'>;

/** The functions that count, each with the bit of the number of a slice that lets it count. */
export const COUNTING: readonly Change[] = (
  [
    ['add(series, bytes, waitNs, serviceNs, nowNs) {', 1],
    ['completed(thread, uid, direction, bytes, waitNs, serviceNs, nowNs) {', 2],
  ] as const
).map(([start, bit]) => ({
  start,
  code: (slice) => `if ((${slice} & ${bit}) === 0) return;`,
}));

/** What a part of the counting costs: percent of the requests a second, and ns of the daemon for a request. */
export interface Cost {
  percent: Spread;
  ns: Spread;
}

/** The result of `measureInMount`; `iops` and `ns` without counting, as medians. */
export interface InMount {
  iops: number;
  ns: number;
  cycles: number;
  costs: Record<Part, Cost>;
}

/** Reads an image in memory by 4 jobs at depth 32 for `seconds`. Makes all it needs in `folder`, an empty one in memory. */
export async function measureInMount(folder: string, seconds: number): Promise<InMount> {
  const image = join(folder, 'disk.img');
  await makeImage(image, IMAGE_MIB);
  const size = IMAGE_MIB << 20;
  const load = { image, size, rw: 'randread', depth: 32, jobs: 4, seconds } as const;
  return summed(await measureInSlices(folder, load, COUNTING, SLICES.length));
}

function summed(cycles: readonly Slice[][]): InMount {
  const costOf = (part: Part): Cost => {
    const slice = SLICES.indexOf(part);
    const percent = cycles.map((cycle) => 100 * (1 - cycle[slice]!.iops / cycle[0]!.iops));
    const ns = cycles.map((cycle) => cycle[slice]!.ns - cycle[0]!.ns);
    return { percent: spreadOf(percent), ns: spreadOf(ns) };
  };
  return {
    iops: spreadOf(cycles.map((cycle) => cycle[0]!.iops)).median,
    ns: spreadOf(cycles.map((cycle) => cycle[0]!.ns)).median,
    cycles: cycles.length,
    costs: { times: costOf('times'), callers: costOf('callers'), both: costOf('both') },
  };
}
