import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SLUICE } from '../lib/program.js';
import type { CommandOptions } from './options.js';

/** One kind of mount to exercise. */
interface Variant {
  readonly title: string;
  readonly isForRoot?: true;
  readonly mountWords: readonly string[];
  readonly exerciseWords: readonly string[];
}

const FIXED = ['--fixed'];
const GROWABLE = ['--growable', '--size-unit', '512'];
const PARALLEL = ['--fixed', '--concurrent', '8'];

const VARIANTS: readonly Variant[] = [
  { title: 'direct, fixed', mountWords: ['--direct'], exerciseWords: FIXED },
  { title: 'direct, growable', mountWords: ['--direct', '--growable'], exerciseWords: GROWABLE },
  { title: 'direct, parallel', mountWords: ['--direct'], exerciseWords: PARALLEL },
  { title: 'no-direct, fixed', mountWords: ['--no-direct'], exerciseWords: FIXED },
  {
    title: 'no-direct, growable',
    mountWords: ['--no-direct', '--growable'],
    exerciseWords: GROWABLE,
  },
  { title: 'no-direct, parallel', mountWords: ['--no-direct'], exerciseWords: PARALLEL },
  {
    title: 'passed through',
    isForRoot: true,
    mountWords: ['--growable', '--passthrough', 'disk'],
    exerciseWords: ['--growable', '--direct-align', '512'],
  },
];

const EXERCISER = fileURLToPath(new URL('../exerciser.js', import.meta.url));

/** Time for mounting or unmounting. */
const MOUNT_MS = 20_000;
/** Generous time limit of an operation: it must stop a hang, but not a slow disk. */
const OPERATION_MS = 50;

/** Exercises every variant with every seed on a fresh mount; true if all were correct. */
export function exerciseMounts(options: CommandOptions): boolean {
  const isRoot = process.getuid?.() === 0;
  const variants = VARIANTS.filter(({ title, isForRoot }) => {
    return title === (options.only ?? title) && (isRoot || isForRoot !== true);
  });
  if (variants.length === 0) throw new Error(`--only: there is no "${options.only}"`);
  let right = true;
  for (let seed = options.exercise.seed; seed < options.exercise.seed + options.seeds; seed++) {
    for (const variant of variants) right = exerciseMount(options, variant, seed) && right;
  }
  return right;
}

function exerciseMount(options: CommandOptions, variant: Variant, seed: number): boolean {
  const folder = mkdtempSync(join(options.imageFolder ?? tmpdir(), 'sluice-exerciser-'));
  const host = join(folder, 'disk.img');
  const mountpoint = join(folder, 'mnt');
  const log = join(folder, 'log');
  mkdirSync(mountpoint);
  writeFileSync(host, '');
  truncateSync(host, options.exercise.size);
  process.stdout.write(`${variant.title}: `);
  const problem =
    sluice(['mount', host, mountpoint, '--log', log, ...variant.mountWords]) ??
    runChild(options, variant, seed, folder) ??
    sluice(['umount', mountpoint]) ??
    compareHost(host, join(folder, 'model')) ??
    complaints(log);
  if (problem === null) {
    rmSync(folder, { recursive: true });
    return true;
  }
  const again = `--mount --only '${variant.title}' --seed ${seed} --ops ${options.exercise.ops}`;
  process.stdout.write(
    `${problem}\nrepeat with a fresh image: exerciser.js ${again}\nkept: ${folder}\n`,
  );
  // Lazily and by force, so that processes that wait for the mount end with it.
  spawnSync('umount', ['-f', '-l', mountpoint], { timeout: MOUNT_MS, stdio: 'ignore' });
  return false;
}

/** Runs a sluice command; returns its error, or null. */
function sluice(words: readonly string[]): string | null {
  const ended = spawnSync(process.execPath, [SLUICE, ...words], {
    timeout: MOUNT_MS,
    killSignal: 'SIGKILL',
    // The daemon outlives the command. A pipe that it inherits would never be closed.
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return ended.status === 0 ? null : `sluice ${words[0]} ended with ${ended.status}`;
}

/** Exercises the file in a child process, because a dead mount may hang a process for ever. */
function runChild(
  options: CommandOptions,
  variant: Variant,
  seed: number,
  folder: string,
): string | null {
  const { ops, stopAt, firstOp, size, directFds, mmap } = options.exercise;
  // Sluice takes any offset and length through O_DIRECT, the kernel itself whole blocks.
  const words = [EXERCISER, join(folder, 'mnt', 'disk.raw'), '--direct-align', '1'];
  words.push(...variant.exerciseWords);
  words.push('--seed', String(seed), '--ops', String(ops), '--size', String(size));
  words.push('--stop-at', String(stopAt), '--first-op', String(firstOp));
  words.push('--host', join(folder, 'disk.img'), '--save-model', join(folder, 'model'));
  if (!directFds) words.push('--no-direct-fds');
  if (!mmap) words.push('--no-mmap');
  const timeout = 60_000 + ops * OPERATION_MS;
  const ended = spawnSync(process.execPath, words, {
    stdio: 'inherit',
    timeout,
    killSignal: 'SIGKILL',
  });
  if (ended.status === 0) return null;
  return `exerciser ended with ${ended.status ?? ended.signal}`;
}

/** After unmounting, the host file must have all data; it may lack zeros at its end. */
function compareHost(host: string, model: string): string | null {
  const expected = readFileSync(model);
  const got = Buffer.alloc(expected.length);
  const bytes = readFileSync(host);
  bytes.copy(got);
  if (bytes.length <= expected.length && expected.equals(got)) return null;
  return 'the host file differs after unmounting';
}

/** The warnings and errors in the daemon's log; there must be none. */
function complaints(log: string): string | null {
  const lines = readFileSync(log, 'utf8').split('\n');
  const found = lines.filter((line) => /: (warning|error): /.test(line));
  return found.length === 0 ? null : `the log complains:\n${found.slice(0, 10).join('\n')}`;
}
