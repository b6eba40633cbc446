import { parseArgs } from 'node:util';
import { parseCount, parseSize } from '../../src/util/units.js';
import { MODEL_LIMIT } from './model.js';

/** How to exercise one file. */
export interface ExerciseOptions {
  path: string;
  /** Another name of the same file, for every second descriptor. */
  second: string | null;
  seed: number;
  /** Operations in all. */
  ops: number;
  /** Initial size, bytes; with `fixed` the size of the file is used instead. */
  size: number;
  /** The file may be truncated and written past its end. */
  growable: boolean;
  /** The file is a sluice image of fixed size: it must refuse every change of its size. */
  fixed: boolean;
  directFds: boolean;
  mmap: boolean;
  /** Number of parallel writes to adjacent ranges; 0: one operation at a time. */
  concurrent: number;
  /** Alignment of offsets and lengths through O_DIRECT descriptors. */
  directAlign: number;
  /** The file system rounds the size of the file up to a multiple of this. */
  sizeUnit: number;
  /** Operations before this one change only the model, which is then written to the file at once. */
  firstOp: number;
  stopAt: number;
  /** Host file to compare at the end. */
  host: string | null;
  /** Where to save the model at the end. */
  saveModel: string | null;
}

/** The command line: one file, or fresh mounts if `mount` is set. */
export interface CommandOptions {
  exercise: ExerciseOptions;
  seeds: number;
  mount: boolean;
  imageFolder: string | null;
  /** Exercise only the mount with this title. */
  only: string | null;
}

export const USAGE = `usage: exerciser PATH [options]      exercise one file against a model
       exerciser --mount [options]   the same on images mounted freshly: direct and not,
                                     fixed and growable, parallel neighbouring writes,
                                     and passed through

  --seed N          first seed (1)            --seeds N         how many seeds (1)
  --ops N           operations a seed (20000) --size BYTES      size to begin with (8M, at most 16M)
  --second PATH     another name of the file, for every second descriptor
  --growable        truncate, and write behind the end
  --fixed           an image of fixed size: size changes must be refused
  --no-direct-fds   no O_DIRECT descriptors   --no-mmap         no mappings
  --concurrent N    N parallel unaligned writes to neighbouring ranges instead
  --direct-align N  alignment that O_DIRECT needs here (512)
  --size-unit N     the file's size is rounded up to this (1)
  --first-op N      apply earlier operations to the model only
  --stop-at N       end after this operation
  --host FILE       compare this file with the model at the end
  --save-model FILE write the model there at the end
  --images DIR      with --mount: where to put images (the folder for temporary files)
  --only TITLE      with --mount: one of its kinds, for instance 'direct, growable'
`;

/** Reads the command line; throws an Error with a sentence for the user. */
export function parseOptions(argv: readonly string[]): CommandOptions {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      ...texts('seed', 'seeds', 'ops', 'size', 'concurrent', 'direct-align', 'size-unit'),
      ...texts('first-op', 'stop-at', 'host', 'save-model', 'images', 'only', 'second'),
      ...flags('growable', 'fixed', 'no-direct-fds', 'no-mmap', 'mount'),
    },
  });
  const text = (name: string): string | undefined => {
    const value = values[name];
    return typeof value === 'string' ? value : undefined;
  };
  const count = (name: string, otherwise: number): number =>
    text(name) === undefined ? otherwise : parseCount(text(name)!);
  const ops = count('ops', 20000);
  const exercise: ExerciseOptions = {
    path: positionals[0] ?? '',
    second: text('second') ?? null,
    seed: count('seed', 1),
    ops,
    size: parseSize(text('size') ?? '8M'),
    growable: values.growable === true,
    fixed: values.fixed === true,
    directFds: values['no-direct-fds'] !== true,
    mmap: values['no-mmap'] !== true,
    concurrent: count('concurrent', 0),
    directAlign: count('direct-align', 512),
    sizeUnit: count('size-unit', 1),
    firstOp: count('first-op', 1),
    stopAt: count('stop-at', ops),
    host: text('host') ?? null,
    saveModel: text('save-model') ?? null,
  };
  check(exercise, positionals.length);
  return {
    exercise,
    seeds: count('seeds', 1),
    mount: positionals.length === 0,
    imageFolder: text('images') ?? null,
    only: text('only') ?? null,
  };
}

function texts(...names: string[]): Record<string, { type: 'string' }> {
  return Object.fromEntries(names.map((name) => [name, { type: 'string' }]));
}

function flags(...names: string[]): Record<string, { type: 'boolean' }> {
  return Object.fromEntries(names.map((name) => [name, { type: 'boolean' }]));
}

function check(options: ExerciseOptions, paths: number): void {
  if (paths > 1) throw new Error('one file only');
  if (options.growable && options.fixed) throw new Error('--growable and --fixed exclude another');
  if (options.size > MODEL_LIMIT) throw new Error('--size: at most 16M');
  if (options.size < 65536) throw new Error('--size: at least 64K');
  if (options.size % 4096 !== 0) throw new Error('--size: not a multiple of 4096');
  if (options.directAlign < 1) throw new Error('--direct-align: at least 1');
}

/** The command that repeats a run up to operation `stopAt`. */
export function repeatCommand(options: ExerciseOptions, stopAt: number): string {
  const words = ['node build/tools/exerciser.js', options.path, `--seed ${options.seed}`];
  words.push(`--ops ${options.ops}`, `--size ${options.size}`, `--stop-at ${stopAt}`);
  if (options.second !== null) words.push(`--second ${options.second}`);
  if (options.growable) words.push('--growable');
  if (options.fixed) words.push('--fixed');
  if (!options.directFds) words.push('--no-direct-fds');
  if (!options.mmap) words.push('--no-mmap');
  if (options.concurrent > 0) words.push(`--concurrent ${options.concurrent}`);
  if (options.directAlign !== 512) words.push(`--direct-align ${options.directAlign}`);
  if (options.sizeUnit !== 1) words.push(`--size-unit ${options.sizeUnit}`);
  if (options.firstOp > 1) words.push(`--first-op ${options.firstOp}`);
  return words.join(' ');
}
