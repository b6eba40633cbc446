import { cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type FioJob, startFio } from './fio.js';
import { SLUICE } from './program.js';
import { mountSluice, type SluiceMount } from './sluice.js';

/**
 * What a part of the program costs in a mount that is under load: by a copy of the program in which that part is another
 * one in some slices of time. A cycle has a slice of each kind, so whatever else happens on the machine meets all of them.
 */

export const SLICE_MS = 250;
/** Not counted at both ends of a slice, for a look takes its time. */
const EDGE_MS = 10;
const WARM_UP_S = 5;
/** The folders of the program's code. */
const FOLDERS = ['parts', 'loop'];

/** A function of the program that begins with other code. */
export interface Change {
  /** Its first line. */
  start: string;
  /** The code. `slice` is an expression for the number of the slice, which grows from cycle to cycle. */
  code: (slice: string) => string;
}

/** A file of the program with changes, and the indices of those that it has a function for. Pure. */
export function inSlices(
  text: string,
  changes: readonly Change[],
): { text: string; found: number[] } {
  const slice = `((performance.timeOrigin + performance.now()) / ${SLICE_MS})`;
  const found = [...changes.keys()].filter((index) => {
    return text.includes(`  ${changes[index]!.start}\n`);
  });
  let changed = text;
  for (const index of found) {
    const { start, code } = changes[index]!;
    changed = changed.replaceAll(`  ${start}\n`, `  ${start}\n    ${code(slice)}\n`);
  }
  return { text: changed, found };
}

/** Copies the program to `folder`. Returns the command of the copy, which has the changes. */
async function copyInSlices(folder: string, changes: readonly Change[]): Promise<string> {
  const dist = dirname(dirname(SLUICE));
  const copy = join(folder, 'dist');
  await mkdir(folder);
  await cp(dist, copy, { recursive: true });
  await symlink(resolve(dist, '../node_modules'), join(folder, 'node_modules'));
  const all = new Set<number>();
  for (const place of FOLDERS) {
    for (const name of await readdir(join(copy, place))) {
      const path = join(copy, place, name);
      const { text, found } = inSlices(await readFile(path, 'utf8'), changes);
      if (found.length > 0) await writeFile(path, text);
      for (const index of found) all.add(index);
    }
  }
  if (all.size !== changes.length) throw new Error(`${dist} lacks a function that is to change`);
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
export interface Slice {
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

/** The load, and the image that it goes to. */
export interface SlicedLoad extends Pick<FioJob, 'rw' | 'depth' | 'jobs'> {
  image: string;
  size: number;
  seconds: number;
}

/**
 * Measures a mount of a changed program beneath requests of 4 KiB, in cycles of `slices` slices.
 *
 * @param folder a place for what this needs
 * @returns the slices of each cycle
 */
export async function measureInSlices(
  folder: string,
  { image, size, seconds, ...shape }: SlicedLoad,
  changes: readonly Change[],
  slices: number,
): Promise<Slice[][]> {
  const program = await copyInSlices(join(folder, 'program'), changes);
  const mount = await mountSluice(join(folder, 'mount'), { img: image }, size, [], [], program);
  const cycles: Slice[][] = [];
  try {
    const times = { seconds: seconds + WARM_UP_S + 2, rampSeconds: 0 };
    const job = { file: mount.file('img'), size, blockSize: 4096, ...shape, ...times };
    const fio = await startFio(job, folder);
    await delay(WARM_UP_S * 1000);
    const cycleMs = slices * SLICE_MS;
    let startMs = Math.ceil(sliceClock() / cycleMs) * cycleMs;
    for (const endMs = startMs + seconds * 1000; startMs < endMs && fio.isAlive(); ) {
      const cycle: Slice[] = [];
      for (let i = 0; i < slices; i++) {
        cycle.push(await measureSlice(mount, startMs));
        startMs += SLICE_MS;
      }
      cycles.push(cycle);
    }
    await fio.end();
  } finally {
    await mount.stop();
  }
  return cycles;
}
