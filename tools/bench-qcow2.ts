import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runTool } from './lib/cleanup.js';
import { type FioJob, runFio } from './lib/fio.js';
import { makeImage, temporaryFolder } from './lib/image.js';
import { describeMachine, machineLine } from './lib/machine.js';
import { chosen, inRange, toolOptions } from './lib/options.js';
import { run } from './lib/process.js';
import { SLUICE } from './lib/program.js';
import { qemuQcow2, type Server, sluice } from './lib/servers.js';
import { rotate, summarize } from './lib/stats.js';
import { formatIops, markdownTable } from './lib/table.js';

const MIB = 1 << 20;
const GIB = 2 ** 30;
const CACHE = 16 * MIB;
/** Seconds that are not counted, in which a new daemon compiles its hot code. */
const RAMP = 1;

interface Settings {
  folder: string;
  seconds: number;
  rounds: number;
  sizeMib: number;
}

/** One side of a comparison: a server of an image. */
interface Side {
  name: string;
  server: Server;
  image: string;
}

interface Line {
  id: string;
  asked: string;
  got: string;
  met: boolean;
}

interface Contest {
  id: string;
  rw: FioJob['rw'];
  /** Bytes of the disk. */
  size: number;
  /** Lower bound of the ratio of the second side's rate to the first side's. */
  least: number;
  /** Makes the images, anew before each run if `fresh`. */
  prepare: (sides: readonly Side[]) => Promise<void>;
  fresh: boolean;
  sides: readonly [Side, Side];
}

function readOptions() {
  return toolOptions(
    'bench-qcow2',
    'Measures qcow2, VMDK and VHDX images on a tmpfs beside raw ones and QEMU.',
  )
    .options({
      seconds: { type: 'number', default: 3, describe: 'seconds of each run' },
      rounds: { type: 'number', default: 3, describe: 'rounds, of which the median counts' },
      'size-mib': { type: 'number', default: 1024, describe: 'size of the allocated image' },
      dir: { type: 'string', default: '/dev/shm', describe: 'folder on a tmpfs' },
      only: { type: 'string', describe: 'lines: ids, or a part of one (randread, large), ...' },
      markdown: { type: 'string', describe: 'write the report to this file too' },
      strict: { type: 'boolean', default: false, describe: 'exit with 1 when a line is not met' },
    })
    .parseSync();
}

const qemuImg = (...words: string[]): Promise<string> => run('qemu-img', words, 120_000);

/** All clusters are allocated, and the cache holds all tables. */
function allocated({ folder, sizeMib }: Settings): Contest[] {
  const raw = join(folder, 'allocated.raw');
  const qcow2 = join(folder, 'allocated.qcow2');
  const server = sluice([]);
  const sides = [
    { name: 'raw', server, image: raw },
    { name: 'qcow2', server, image: qcow2 },
  ] as const;
  const prepare = async (): Promise<void> => {
    await makeImage(raw, sizeMib);
    await qemuImg('convert', '-f', 'raw', '-O', 'qcow2', raw, qcow2);
  };
  return (['randread', 'randwrite'] as const).map((rw) => {
    const common = { size: sizeMib * MIB, least: 0.9, fresh: false, sides, prepare };
    return { ...common, id: `allocated/${rw}`, rw };
  });
}

/** Images of other formats, all of whose blocks are allocated. They are only read. */
function readOnly({ folder, sizeMib }: Settings): Contest[] {
  const raw = join(folder, 'read.raw');
  const server = sluice(['--read-only']);
  return ['vmdk', 'vhdx'].map((format): Contest => {
    const image = join(folder, `read.${format}`);
    const sides = [
      { name: 'raw', server, image: raw },
      { name: format, server, image },
    ] as const;
    const prepare = async (): Promise<void> => {
      await makeImage(raw, sizeMib);
      await qemuImg('convert', '-f', 'raw', '-O', format, raw, image);
    };
    const common = { size: sizeMib * MIB, least: 0.8, fresh: false, sides, prepare };
    return { ...common, id: `${format}/randread`, rw: 'randread' };
  });
}

/** Sluice against QEMU's fastest mode here, with the same amount of memory for tables. */
function againstQemu(folder: string, name: string): [Side, Side] {
  const image = join(folder, name);
  return [
    { name: 'qemu io_uring', server: qemuQcow2('io_uring', CACHE), image },
    { name: 'sluice', server: sluice(['--metadata-cache', '16M']), image },
  ];
}

function large({ folder }: Settings): Contest {
  const sides = againstQemu(folder, 'large.qcow2');
  const size = 100 * GIB;
  const prepare = async (): Promise<void> => {
    const words = ['-q', '-f', 'qcow2', '-o', 'preallocation=metadata'];
    await qemuImg('create', ...words, sides[0].image, String(size));
  };
  return { id: 'large/randread', rw: 'randread', size, least: 1.5, fresh: false, sides, prepare };
}

/** Every write allocates a cluster. */
function allocating({ folder }: Settings): Contest {
  return onEmpty('allocating/randwrite', againstQemu(folder, 'empty.qcow2'), 1.5);
}

/**
 * The same beside itself: each new cluster is told to the redo log of a keeper, or is not. The first seconds of a mount
 * cost more: 8 seconds and more show what a longer one has.
 */
function kept({ folder }: Settings): Contest {
  const image = join(folder, 'kept.qcow2');
  const sides = [
    { name: 'without a keeper', server: sluice([]), image },
    { name: 'keeper', server: sluice(['--keeper']), image },
  ] as const;
  return onEmpty('keeper/randwrite', sides, 0.9);
}

/** Random writes to an image that is empty before each run. */
function onEmpty(id: string, sides: Contest['sides'], least: number): Contest {
  const size = 100 * GIB;
  const prepare = async (): Promise<void> => {
    await rm(sides[0].image, { force: true });
    await qemuImg('create', '-q', '-f', 'qcow2', sides[0].image, String(size));
  };
  return { id, rw: 'randwrite', size, least, fresh: true, sides, prepare };
}

async function measure(side: Side, contest: Contest, settings: Settings): Promise<number> {
  const { folder, seconds } = settings;
  const running = await side.server.start(side.image, contest.size, folder);
  try {
    const load = { rw: contest.rw, blockSize: 4096, depth: 32, jobs: 4, size: contest.size };
    const job = { ...load, file: running.file, seconds, rampSeconds: RAMP };
    return (await runFio(job, folder)).iops;
  } finally {
    await running.stop();
  }
}

/** Runs both sides one after the other; the order alternates from round to round. */
async function compete(contest: Contest, settings: Settings): Promise<Line> {
  const { sides } = contest;
  const rates = new Map<Side, number[]>(sides.map((side) => [side, []]));
  if (!contest.fresh) await contest.prepare(sides);
  for (let round = 0; round < settings.rounds; round++) {
    for (const side of rotate(sides, round)) {
      if (contest.fresh) await contest.prepare(sides);
      const rate = await measure(side, contest, settings);
      rates.get(side)?.push(rate);
      console.error(`${contest.id} ${round + 1}/${settings.rounds} ${side.name}: ${rate}`);
    }
  }
  for (const { image } of sides) await rm(image, { force: true });
  const [other, own] = sides.map((side) => summarize(rates.get(side) ?? [])?.median ?? Number.NaN);
  const ratio = own / other;
  return {
    id: `${contest.id}, 4 x 32`,
    asked: `at least ${contest.least} x ${sides[0].name}`,
    got: `${ratio.toFixed(2)} x (${formatIops(own)} and ${formatIops(other)})`,
    met: ratio >= contest.least,
  };
}

/** Median seconds of a command. */
async function timed(rounds: number, action: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const started = performance.now();
    await action();
    times.push((performance.now() - started) / 1000);
  }
  return summarize(times)?.median ?? Number.NaN;
}

/** The time to open or map an empty image of 1 TiB. */
async function empty({ folder, rounds }: Settings): Promise<Line[]> {
  const image = join(folder, 'terabyte.qcow2');
  await qemuImg('create', '-q', '-f', 'qcow2', image, '1T');
  const info = await timed(rounds, () => run(process.execPath, [SLUICE, 'info', image]));
  const map = await timed(rounds, () => run(process.execPath, [SLUICE, 'map', image]));
  await rm(image);
  const line = (id: string, seconds: number, most: number): Line => {
    const got = `${seconds.toFixed(2)} s, start of the program included`;
    return { id, asked: `under ${most} s`, got, met: seconds < most };
  };
  return [line('empty/1 TiB: opened, by info', info, 0.3), line('empty/1 TiB: map', map, 1)];
}

async function main(): Promise<number> {
  const options = readOptions();
  inRange('seconds', options.seconds, 0.1, 3600);
  inRange('rounds', options.rounds, 1, 100);
  inRange('size-mib', options['size-mib'], 16, 1 << 16);
  const folder = await temporaryFolder(options.dir);
  const { seconds, rounds } = options;
  const settings: Settings = { folder, seconds, rounds, sizeMib: options['size-mib'] };
  const contests = [
    ...allocated(settings),
    ...readOnly(settings),
    large(settings),
    allocating(settings),
    kept(settings),
  ];
  const ids = chosen([...contests.map(({ id }) => id), 'empty/1T'], options.only);
  const lines: Line[] = [];
  for (const contest of contests) {
    if (ids.has(contest.id)) lines.push(await compete(contest, settings));
  }
  if (ids.has('empty/1T')) lines.push(...(await empty(settings)));
  const rows = lines.map(({ id, asked, got, met }) => [id, asked, got, met ? 'met' : '**missed**']);
  const machine = machineLine(await describeMachine(['fio', 'qemu-storage-daemon']));
  const table = markdownTable(['what', 'asked', 'got', 'verdict'], rows);
  const report = ['# qcow2, VMDK and VHDX', '', machine, '', table, ''].join('\n');
  console.log(report);
  if (options.markdown) await writeFile(options.markdown, report);
  return options.strict && lines.some(({ met }) => !met) ? 1 : 0;
}

await runTool('bench-qcow2', main);
