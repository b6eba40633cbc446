import { cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startFio } from '../lib/fio.js';
import { makeImage } from '../lib/image.js';
import { SLUICE } from '../lib/program.js';
import { mountSluice, type SluiceMount } from '../lib/sluice.js';
import { type Spread, spreadOf } from '../lib/stats.js';

/**
 * The cost of counting in a mount that is under load, by a copy of the program whose counting stands still in some
 * slices of time. A cycle has a slice with nothing, with times, with callers and with both, so whatever else happens
 * on the machine meets all four.
 */

const SLICE_MS = 250;
/** Not counted at both ends of a slice, for a look takes its time. */
const EDGE_MS = 10;
const IMAGE_MIB = 512;
const WARM_UP_S = 5;

/** What is counted in the slice of that number of a cycle. */
const SLICES = ['nothing', 'times', 'callers', 'both'] as const;
type Part = Exclude<(typeof SLICES)[number], 'nothing'>;

/** The first line of each function that counts, and the bit of the number of a slice that lets it count. */
const COUNTING = [
  ['add(series, bytes, waitNs, serviceNs, nowNs) {', 1],
  ['completed(thread, uid, direction, bytes, waitNs, serviceNs, nowNs) {', 2],
] as const;
const ORIGIN = 'const sliceOriginNs = performance.timeOrigin * 1e6;\n';

/** A file of the program with counting in slices, and the bits of the functions that it has. Pure. */
export function inSlices(text: string): { text: string; bits: number } {
  let changed = text;
  let bits = 0;
  for (const [start, bit] of COUNTING) {
    if (!text.includes(`  ${start}\n`)) continue;
    bits |= bit;
    const slice = `((nowNs + sliceOriginNs) / ${SLICE_MS * 1e6}) & ${bit}`;
    changed = changed.replaceAll(`  ${start}\n`, `  ${start}\n    if ((${slice}) === 0) return;\n`);
  }
  return { text: bits === 0 ? text : ORIGIN + changed, bits };
}

/** Copies the program to `folder`. Returns the command of the copy, which counts in slices. */
async function copyInSlices(folder: string): Promise<string> {
  const dist = dirname(dirname(SLUICE));
  const copy = join(folder, 'dist');
  await mkdir(folder);
  await cp(dist, copy, { recursive: true });
  await symlink(resolve(dist, '../node_modules'), join(folder, 'node_modules'));
  let found = 0;
  for (const name of await readdir(join(copy, 'parts'))) {
    const path = join(copy, 'parts', name);
    const { text, bits } = inSlices(await readFile(path, 'utf8'));
    if (bits !== 0) await writeFile(path, text);
    found |= bits;
  }
  if (found !== SLICES.length - 1) throw new Error(`${dist} lacks a function that counts`);
  return join(copy, 'cli/main.js');
}

/** Nanoseconds of processor time of all threads of a process. */
async function cpuNs(pid: number): Promise<number> {
  let sum = 0;
  for (const thread of await readdir(`/proc/${pid}/task`)) {
    const text = await readFile(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').catch(() => '0');
    sum += Number(text.split(' ')[0]);
  }
  return sum;
}

/** What the clock of slices shows, milliseconds. */
const sliceClock = (): number => performance.timeOrigin + performance.now();

async function look(mount: SluiceMount): Promise<{ atMs: number; done: number; ns: number }> {
  const before = sliceClock();
  const done = await mount.requests();
  const atMs = (before + sliceClock()) / 2;
  return { atMs, done, ns: await cpuNs(mount.pid) };
}

/** Requests a second, and the daemon's processor time of a request, in one slice. */
interface Slice {
  iops: number;
  ns: number;
}

async function measureSlice(mount: SluiceMount, startMs: number): Promise<Slice> {
  await delay(startMs + EDGE_MS - sliceClock());
  const before = await look(mount);
  await delay(startMs + SLICE_MS - EDGE_MS - sliceClock());
  const after = await look(mount);
  const done = after.done - before.done;
  return { iops: (done * 1000) / (after.atMs - before.atMs), ns: (after.ns - before.ns) / done };
}

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
  const program = await copyInSlices(join(folder, 'program'));
  const mount = await mountSluice(join(folder, 'mount'), { img: image }, size, [], [], program);
  const cycles: Slice[][] = [];
  try {
    const shape = { rw: 'randread', blockSize: 4096, depth: 32, jobs: 4 } as const;
    const times = { seconds: seconds + WARM_UP_S + 2, rampSeconds: 0 };
    const fio = await startFio({ file: mount.file('img'), size, ...shape, ...times }, folder);
    await delay(WARM_UP_S * 1000);
    const cycleMs = SLICES.length * SLICE_MS;
    let startMs = Math.ceil(sliceClock() / cycleMs) * cycleMs;
    for (const endMs = startMs + seconds * 1000; startMs < endMs && fio.isAlive(); ) {
      const cycle: Slice[] = [];
      for (const _ of SLICES) {
        cycle.push(await measureSlice(mount, startMs));
        startMs += SLICE_MS;
      }
      cycles.push(cycle);
    }
    await fio.end();
  } finally {
    await mount.stop();
  }
  return summed(cycles);
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
