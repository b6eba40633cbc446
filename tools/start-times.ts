import { mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { atEnd, runTool } from './lib/cleanup.js';
import { temporaryFolder } from './lib/image.js';
import { describeMachine, machineLine } from './lib/machine.js';
import { unmount } from './lib/mounts.js';
import { inRange, toolOptions } from './lib/options.js';
import { run } from './lib/process.js';
import { SLUICE } from './lib/program.js';
import { median } from './lib/stats.js';
import { markdownTable, shortNumber } from './lib/table.js';

/**
 * What starting costs: processor time and time of commands and of a mount, and what a daemon without load
 * costs: memory and wake-ups. With --compare a second build runs in turn with the first, so that load of
 * the machine meets both.
 */

const TRANSPORTS = ['uring', 'fuse-native'] as const;

/** Images of the mount that shows what one more costs. */
const MANY = 11;

/** V8 collects the garbage of the start about ten seconds later; on a busy machine that takes longer. */
const SETTLED_MS = 30_000;

/** Figures of one program by row, one value for each round. */
type Figures = Map<string, number[]>;

function add(figures: Figures, row: string, value: number): void {
  figures.set(row, [...(figures.get(row) ?? []), value]);
}

/** Processor time of a command with the children that it has waited for, and its duration; milliseconds. */
async function timed(words: readonly string[]): Promise<{ cpu: number; wall: number }> {
  const script = 'TIMEFORMAT="%U %S %R"; exec 3>&2; { time "$@" >&3 2>&3; } 2>&1 3>/dev/null';
  const out = await run('bash', ['-c', script, 'bash', process.execPath, ...words], 60_000);
  const [user = 0, system = 0, wall = 0] = out.trim().split(' ').map(Number);
  return { cpu: (user + system) * 1000, wall: wall * 1000 };
}

async function measure(figures: Figures, row: string, words: readonly string[]): Promise<void> {
  const { cpu, wall } = await timed(words);
  add(figures, `${row}: CPU, ms`, cpu);
  add(figures, `${row}: time, ms`, wall);
}

function tasksOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/task`).map((task) => `/proc/${pid}/task/${task}`);
}

/** Processor time of all threads, milliseconds. */
function cpuOf(pid: number): number {
  const all = tasksOf(pid).map((task) =>
    Number(readFileSync(`${task}/schedstat`, 'utf8').split(' ')[0]),
  );
  return all.reduce((sum, ns) => sum + ns, 0) / 1e6;
}

/** A field of /proc/PID/status or of a thread's. */
function statusOf(folder: string, field: string): number {
  const text = readFileSync(`${folder}/status`, 'utf8');
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(text)?.[1]);
}

function wakeUpsOf(pid: number): number {
  return tasksOf(pid).reduce((sum, task) => sum + statusOf(task, 'voluntary_ctxt_switches'), 0);
}

/** One program with the folder that its mounts are made in. */
interface Subject {
  main: string;
  mountpoint: string;
  images: string[];
  figures: Figures;
}

/** Mounts so many images; returns the daemon's process id. */
async function mounted(
  { main, mountpoint, images }: Subject,
  transport: string,
  count: number,
): Promise<{ pid: number; cpu: number; wall: number }> {
  const words = [main, 'mount', ...images.slice(0, count), mountpoint, '--transport', transport];
  const { cpu, wall } = await timed(words);
  const pid = Number(
    /^pid (\d+)/m.exec(readFileSync(join(mountpoint, '.groups/daemon'), 'utf8'))?.[1],
  );
  return { pid, cpu: cpu + cpuOf(pid), wall };
}

async function measureMount(subject: Subject, transport: string): Promise<void> {
  const { main, mountpoint, figures } = subject;
  const { cpu, wall } = await mounted(subject, transport, 1);
  add(figures, `mount, ${transport}: CPU with the daemon's, ms`, cpu);
  add(figures, `mount, ${transport}: time, ms`, wall);
  if (transport === 'uring') {
    await measure(figures, 'stat', [main, 'stat', mountpoint]);
    await measure(figures, 'set', [main, 'set', mountpoint, '/', 'depth=32']);
  }
  await measure(figures, `umount, ${transport}`, [main, 'umount', mountpoint]);
}

/** A daemon without load. */
async function measureIdle(
  subject: Subject,
  transport: string,
  idleSeconds: number,
): Promise<void> {
  const { main, mountpoint, figures } = subject;
  const resident: number[] = [];
  for (const count of [1, MANY]) {
    const { pid } = await mounted(subject, transport, count);
    await delay(SETTLED_MS);
    resident.push(statusOf(`/proc/${pid}`, 'VmRSS') / 1024);
    if (count === 1) {
      const before = wakeUpsOf(pid);
      await delay(idleSeconds * 1000);
      add(figures, `daemon, ${transport}: wake-ups in ${idleSeconds} s`, wakeUpsOf(pid) - before);
    }
    await run(process.execPath, [main, 'umount', mountpoint]);
  }
  const [one = 0, many = 0] = resident;
  add(figures, `daemon, ${transport}: resident, MiB`, one);
  add(figures, `daemon, ${transport}: each further image, MiB`, (many - one) / (MANY - 1));
}

async function measureRound(subject: Subject, empty: string): Promise<void> {
  const { main, figures, images } = subject;
  await measure(figures, 'node alone', [empty]);
  await measure(figures, '--version', [main, '--version']);
  await measure(figures, '--help', [main, '--help']);
  await measure(figures, 'info', [main, 'info', images[0]!]);
  for (const transport of TRANSPORTS) await measureMount(subject, transport);
}

function readOptions() {
  return toolOptions('start-times', 'Measures starts, and daemons without load.')
    .option('rounds', { type: 'number', default: 9, describe: 'rounds; medians are printed' })
    .option('idle-seconds', {
      type: 'number',
      default: 10,
      describe: 'count wake-ups for so long; 0: no figures of idle daemons',
    })
    .option('compare', { type: 'string', describe: 'main.js of another build' })
    .option('dir', { type: 'string', default: '/var/tmp', describe: 'folder for images' })
    .parseSync();
}

async function main(): Promise<number> {
  const options = readOptions();
  inRange('rounds', options.rounds, 1, 1000);
  inRange('idle-seconds', options.idleSeconds, 0, 3600);
  const folder = await temporaryFolder(options.dir);
  const empty = join(folder, 'empty.cjs');
  writeFileSync(empty, '');
  const images = Array.from({ length: MANY }, (_, index) => join(folder, `disk${index}.img`));
  for (const image of images) {
    writeFileSync(image, '');
    truncateSync(image, 64 << 20);
  }
  // Certificates and other options of the environment are read by every start of node.
  for (const name of ['NODE_EXTRA_CA_CERTS', 'NODE_OPTIONS']) delete process.env[name];
  process.env.XDG_STATE_HOME = folder;
  const mains = options.compare === undefined ? [SLUICE] : [SLUICE, options.compare];
  const subjects = mains.map((main, index): Subject => {
    const mountpoint = join(folder, `mnt${index}`);
    mkdirSync(mountpoint);
    atEnd(() => unmount(mountpoint));
    return { main, mountpoint, images, figures: new Map() };
  });
  for (let round = 0; round < options.rounds; round++) {
    for (const subject of subjects) await measureRound(subject, empty);
  }
  for (const subject of options.idleSeconds === 0 ? [] : subjects) {
    for (const transport of TRANSPORTS) await measureIdle(subject, transport, options.idleSeconds);
  }
  const [first, other] = subjects.map(({ figures }) => figures);
  const rows = [...first!].map(([row, values]) => {
    const value = median(values);
    const cells = [row, shortNumber(value)];
    const second = other?.get(row);
    return second === undefined
      ? cells
      : [...cells, shortNumber(median(second)), shortNumber(value / median(second))];
  });
  const head = ['', 'sluice', ...(other === undefined ? [] : ['other', 'ratio'])];
  console.log(`${machineLine(await describeMachine([]))}\n\n${markdownTable(head, rows)}`);
  return 0;
}

await runTool('start-times', main);
