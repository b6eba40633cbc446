import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { checkNotEnding, messageOf, runTool } from './lib/cleanup.js';
import { type FioJob, type RunningFio, runFio, startFio } from './lib/fio.js';
import { makeImage, temporaryFolder } from './lib/image.js';
import { describeMachine, type Machine, machineLine } from './lib/machine.js';
import { chosen, inRange, toolOptions } from './lib/options.js';
import { settles } from './lib/process.js';
import { checkSluiceBuilt, mountSluice, type SluiceMount } from './lib/sluice.js';
import { rotate, type Summary, summarize } from './lib/stats.js';
import { formatIops, markdownTable } from './lib/table.js';

/** The limit of the held group. */
const HELD_LIMIT = 'iops=10';
/** How long the held requests may take to arrive, milliseconds. */
const FILL_MS = 5000;
/** Largest write that the kernel sends to libfuse 2. */
const NATIVE_WRITE_BYTES = 128 << 10;

/** The load of the held group. */
interface Held {
  id: string;
  title: string;
  job: Pick<FioJob, 'rw' | 'blockSize'>;
}

const HELD: readonly Held[] = [
  { id: 'read-4k', title: '4 KiB reads', job: { rw: 'randread', blockSize: 4096 } },
  { id: 'write-4k', title: '4 KiB writes', job: { rw: 'randwrite', blockSize: 4096 } },
  { id: 'write-1m', title: '1 MiB writes', job: { rw: 'randwrite', blockSize: 1 << 20 } },
];

interface Settings {
  transport: string;
  /** Requests that the held group keeps outstanding. */
  waiting: number;
  /** Lower bound of the unlimited image's rate, in percent of its rate alone. */
  keptPercent: number;
  seconds: number;
  rounds: number;
  sizeMib: number;
}

interface Place {
  folder: string;
  free: string;
  held: string;
}

interface Result {
  id: string;
  title: string;
  alone: Summary | null;
  beside: Summary | null;
  /** Median beside the held group, in percent of the median alone. */
  keptPercent: number | null;
  /** Least number of held requests seen in the daemon before a measurement. */
  waiting: number | null;
  errors: string[];
  met: boolean;
}

function readOptions() {
  return toolOptions('isolation', 'Measures what a held-up group costs its unlimited neighbour.')
    .options({
      seconds: { type: 'number', default: 3, describe: 'seconds of each run' },
      rounds: { type: 'number', default: 3, describe: 'rounds, of which the median counts' },
      'size-mib': { type: 'number', default: 256, describe: 'size of each image in MiB' },
      dir: { type: 'string', default: '/dev/shm', describe: 'folder for the images' },
      only: { type: 'string', describe: 'what the held group does: read-4k, write-4k, write-1m' },
      transport: { type: 'string', default: 'auto', describe: 'of the mounts' },
      waiting: {
        type: 'number',
        default: 512,
        describe: 'requests that the held group has waiting',
      },
      kept: {
        type: 'number',
        default: 95,
        describe: 'percent that the unlimited image is to keep',
      },
      json: { type: 'string', describe: 'write everything measured to this file' },
      markdown: { type: 'string', describe: 'write the report to this file too' },
      strict: { type: 'boolean', default: false, describe: 'exit with 1 when a line is not met' },
    })
    .parseSync();
}

/** `queued` plus `inflight` of the `total` line of an io.stat text; 0 without them. */
function outstanding(stat: string): number {
  const total = stat.split('\n').find((line) => line.startsWith('total ')) ?? '';
  const value = (key: string): number =>
    Number(new RegExp(`\\b${key}=(\\d+)`).exec(total)?.[1] ?? 0);
  return value('queued') + value('inflight');
}

/** Waits until the held requests are in the daemon. Returns their number, less if time ran out. */
async function waitForHeld(mount: SluiceMount, fio: RunningFio, waiting: number): Promise<number> {
  const path = join(mount.mountpoint, '.groups/held/io.stat');
  const deadline = Date.now() + FILL_MS;
  let count = 0;
  while (count < waiting && Date.now() < deadline) {
    if (!fio.isAlive()) await fio.done;
    const stat = readFile(path, 'utf8');
    if (!(await settles(stat, 2000))) throw new Error(`${path} does not answer`);
    count = Math.max(count, outstanding(await stat));
    await delay(20);
  }
  return count;
}

/** The number of fio's requests that become `waiting` requests in the daemon. */
function heldDepth({ job }: Held, { transport, waiting }: Settings): number {
  const parts = transport === 'fuse-native' ? Math.ceil(job.blockSize / NATIVE_WRITE_BYTES) : 1;
  return Math.ceil(waiting / parts);
}

/** IOPS of the unlimited image on a fresh mount, alone (`held` null) or beside the held group. */
async function measure(held: Held | null, place: Place, settings: Settings) {
  const { seconds, sizeMib } = settings;
  const size = sizeMib << 20;
  const images = { free: place.free, held: place.held };
  const group = ['--group', `held:${HELD_LIMIT}`, '--assign', 'held=held'];
  const words = ['--transport', settings.transport, ...group];
  const mount = await mountSluice(join(place.folder, 'mount'), images, size, words);
  let holder: RunningFio | null = null;
  try {
    const common = { size, jobs: 1, rampSeconds: 0.3 };
    let { waiting } = settings;
    if (held) {
      const depth = heldDepth(held, settings);
      const job = { ...common, ...held.job, file: mount.file('held'), depth };
      holder = await startFio({ ...job, seconds: seconds + 60 }, place.folder);
      waiting = await waitForHeld(mount, holder, waiting);
    }
    const job = { ...common, rw: 'randread', blockSize: 4096, depth: 32, seconds } as const;
    const done = await runFio({ ...job, file: mount.file('free') }, place.folder);
    return { iops: done.iops, waiting };
  } finally {
    // Killed first, so that no further requests come while the unmount releases the waiting ones.
    await holder?.stop();
    await mount.stop(true);
  }
}

async function runHeld(held: Held, place: Place, settings: Settings): Promise<Result> {
  const alone: number[] = [];
  const beside: number[] = [];
  const errors: string[] = [];
  let waiting: number | null = null;
  for (let round = 0; round < settings.rounds; round++) {
    for (const isBeside of rotate([false, true], round)) {
      const what = `${held.id} ${round + 1}/${settings.rounds} ${isBeside ? 'beside' : 'alone'}`;
      try {
        const sample = await measure(isBeside ? held : null, place, settings);
        (isBeside ? beside : alone).push(sample.iops);
        if (isBeside) waiting = Math.min(waiting ?? Infinity, sample.waiting);
        console.error(`${what}: ${formatIops(sample.iops)} IOPS`);
      } catch (error) {
        checkNotEnding();
        errors.push(messageOf(error));
        console.error(`${what}: failed: ${messageOf(error)}`);
      }
    }
  }
  const [a, b] = [summarize(alone), summarize(beside)];
  const keptPercent = a && b ? (100 * b.median) / a.median : null;
  const met = keptPercent !== null && keptPercent >= settings.keptPercent && errors.length === 0;
  const { id, title } = held;
  return { id, title, alone: a, beside: b, keptPercent, waiting, errors, met };
}

function isolationMarkdown(
  machine: Machine,
  settings: Settings,
  results: readonly Result[],
): string {
  const how =
    `Transport ${settings.transport}. An unlimited image (4 KiB randread, QD 32) alone and beside a group held at ${HELD_LIMIT} ` +
    `with ${settings.waiting} requests outstanding in the same mount. Median of ${settings.rounds} ` +
    `alternating rounds of ${settings.seconds} s. Asked: at least ${settings.keptPercent} %.`;
  const rows = results.map((result) => [
    result.title,
    result.alone ? formatIops(result.alone.median) : '-',
    result.beside ? formatIops(result.beside.median) : '-',
    result.keptPercent === null ? '-' : `${result.keptPercent.toFixed(1)} %`,
    String(result.waiting ?? '-'),
    result.met ? 'met' : '**missed**',
  ]);
  const head = ['the held group does', 'alone', 'beside', 'kept', 'held in the daemon', 'verdict'];
  const failed = results.flatMap(({ id, errors }) => errors.map((error) => `- ${id}: ${error}`));
  const lines = ['# Isolation', '', machineLine(machine), how, '', markdownTable(head, rows), ''];
  return [...lines, ...failed, ...(failed.length > 0 ? [''] : [])].join('\n');
}

async function main(): Promise<number> {
  const options = readOptions();
  const { seconds, rounds } = options;
  const { transport, waiting, kept: keptPercent } = options;
  const sizeMib = options['size-mib'];
  const settings: Settings = { transport, waiting, keptPercent, seconds, rounds, sizeMib };
  inRange('seconds', seconds, 0.1, 3600);
  inRange('rounds', rounds, 1, 1000);
  inRange('waiting', waiting, 1, 4096);
  inRange('kept', keptPercent, 0, 100);
  inRange('size-mib', settings.sizeMib, 16, 1 << 20);
  const ids = chosen(
    HELD.map(({ id }) => id),
    options.only,
  );
  await checkSluiceBuilt();
  const folder = await temporaryFolder(options.dir);
  const place = { folder, free: join(folder, 'free.img'), held: join(folder, 'held.img') };
  await makeImage(place.free, settings.sizeMib);
  await makeImage(place.held, settings.sizeMib);
  const results: Result[] = [];
  for (const held of HELD.filter(({ id }) => ids.has(id))) {
    results.push(await runHeld(held, place, settings));
  }
  const machine = await describeMachine(['fio']);
  const markdown = isolationMarkdown(machine, settings, results);
  console.log(markdown);
  const report = { machine, settings, results };
  if (options.json) await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`);
  if (options.markdown) await writeFile(options.markdown, markdown);
  return options.strict && !results.every(({ met }) => met) ? 1 : 0;
}

await runTool('isolation', main);
