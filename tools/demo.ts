import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { eraseLines } from 'ansi-escapes';
import { parseStats } from '../src/tree/reports.js';
import {
  barLines,
  demoChart,
  plainLine,
  resultTable,
  type Sample,
  terminalText,
} from './demo/report.js';
import { ACTS, byHand, END, OPTIONS, PLAYERS } from './demo/script.js';
import { atEnd, runTool } from './lib/cleanup.js';
import { type RunningFio, startFio } from './lib/fio.js';
import { makeImage, temporaryFolder } from './lib/image.js';
import { isInstalled, run } from './lib/process.js';
import { SLUICE } from './lib/program.js';
import { checkSluiceBuilt, mountSluice, type SluiceMount } from './lib/sluice.js';

/**
 * `make demo`: two groups fight for a disk by weight, a weight changes while they do, and a third image is held
 * at 10 requests a second with 512 waiting. Shows what each gets, second by second; then a table and a picture.
 * It cleans up however it ends.
 */

/** Quick to write, and large enough that a run does not read it many times. */
const IMAGE_MIB = 128;
const SECOND_MS = 1000;
const PICTURE = fileURLToPath(new URL('../../build/demo.svg', import.meta.url));

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function checkTools(): Promise<void> {
  await checkSluiceBuilt();
  if (!(await isInstalled('fio'))) throw new Error('fio is missing; run make setup');
}

async function makeImages(folder: string): Promise<Record<string, string>> {
  const images: Record<string, string> = {};
  for (const { name } of PLAYERS) {
    images[name] = join(folder, `${name}.img`);
    await makeImage(images[name], IMAGE_MIB);
  }
  return images;
}

const loads: RunningFio[] = [];

async function startLoad(name: string, mount: SluiceMount, folder: string): Promise<void> {
  const { depth, jobs } = PLAYERS.find((one) => one.name === name)!;
  const size = IMAGE_MIB * 1024 * 1024;
  const job = {
    file: mount.file(name),
    size,
    rw: 'randread',
    blockSize: 4096,
    depth,
    jobs,
  } as const;
  const fio = await startFio({ ...job, seconds: 600, rampSeconds: 0 }, folder);
  // Before the unmount, which releases what waits.
  const forget = atEnd(async () => {
    forget();
    await fio.stop();
  });
  loads.push(fio);
}

interface Counters {
  readonly at: number;
  readonly requests: readonly number[];
  readonly queued: readonly number[];
}

async function readCounters({ mountpoint }: SluiceMount): Promise<Counters> {
  const texts = await Promise.all(
    PLAYERS.map(({ name }) => readFile(join(mountpoint, '.groups', name, 'io.stat'), 'utf8')),
  );
  const totals = texts.map((text) => parseStats(text).total);
  return {
    at: performance.now(),
    requests: totals.map(({ rios }) => rios),
    queued: totals.map(({ queued }) => queued),
  };
}

/** Fails if a load has ended, which none does by itself. */
async function checkLoads(): Promise<void> {
  for (const load of loads) if (!load.isAlive()) await load.done;
}

/** The counters at the moment at which loads that were just started have had requests. */
async function underLoad(mount: SluiceMount, names: readonly string[]): Promise<Counters> {
  for (;;) {
    const now = await readCounters(mount);
    const waiting = PLAYERS.some(({ name }, player) => {
      return names.includes(name) && now.requests[player] === 0;
    });
    if (!waiting) return now;
    await checkLoads();
    await delay(20);
  }
}

/** Plays all acts. @returns a sample for each second */
async function play(mount: SluiceMount, folder: string): Promise<Sample[]> {
  const isTerminal = process.stdout.isTTY === true;
  const samples: Sample[] = [];
  let last = await readCounters(mount);
  let at = 0;
  for (const [act, { says, seconds, set, starts }] of ACTS.entries()) {
    say(`\n${says}`);
    if (set !== null) {
      say(`$ sluice set ${mount.mountpoint} ${set.join(' ')}`);
      await run(process.execPath, [SLUICE, 'set', mount.mountpoint, ...set]);
    }
    for (const name of starts) {
      say(`$ fio on ${mount.file(name)}: random 4 KiB reads`);
      await startLoad(name, mount, folder);
    }
    // What passed before the change counted, or before the loads ran, is of no act.
    last = await underLoad(mount, starts);
    let drawn = 0;
    for (let second = 0; second < seconds; second += 1) {
      await delay(Math.max(0, last.at + SECOND_MS - performance.now()));
      await checkLoads();
      const now = await readCounters(mount);
      const lasted = (now.at - last.at) / SECOND_MS;
      at += lasted;
      const sample: Sample = {
        at,
        seconds: lasted,
        act,
        requests: now.requests.map((count, player) => count - last.requests[player]),
        queued: now.queued,
      };
      last = now;
      samples.push(sample);
      if (!isTerminal) say(plainLine(sample, ACTS[act]));
      else {
        const lines = barLines(sample, ACTS[act]);
        if (drawn > 0) process.stdout.write(eraseLines(drawn + 1));
        say(terminalText(lines));
        drawn = lines.length;
      }
    }
  }
  return samples;
}

/** Writes the picture. @returns its path: in build/, or elsewhere for a user who may not write there */
async function keep(svg: string): Promise<string> {
  try {
    await writeFile(PICTURE, svg);
    return PICTURE;
  } catch {
    const path = join(await mkdtemp(join(tmpdir(), 'sluice-demo-')), 'demo.svg');
    await writeFile(path, svg);
    return path;
  }
}

async function main(): Promise<number> {
  await checkTools();
  const folder = await temporaryFolder(tmpdir());
  say(`Three images of ${IMAGE_MIB} MiB in ${folder}`);
  const images = await makeImages(folder);
  const mountpoint = join(folder, 'mnt');
  const files = PLAYERS.map(({ name }) => `${name}.img`).join(' ');
  say(`$ sluice mount ${files} ${mountpoint} \\\n    ${OPTIONS.join(' ')}`);
  const log = ['--log', join(folder, 'sluice.log')];
  const mount = await mountSluice(mountpoint, images, IMAGE_MIB * 1024 * 1024, [
    ...OPTIONS,
    ...log,
  ]);
  const samples = await play(mount, folder);
  const end = END.map((word) => (word === 'MOUNTPOINT' ? mountpoint : word));
  say(`\n$ sluice ${end.join(' ')}`);
  await run(process.execPath, [SLUICE, ...end]);
  await Promise.all(loads.map((load) => load.end()));
  say(`$ sluice umount ${mountpoint}`);
  await mount.stop();
  say(`\n${resultTable(samples)}\n`);
  say(`Shares over time: ${await keep(demoChart(samples))}\n`);
  say(`The same by hand:\n\n${byHand(IMAGE_MIB)}`);
  return 0;
}

await runTool('demo', main);
