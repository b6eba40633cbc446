import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { Difference, describe } from './difference.js';
import { exercise, withState } from './exercise.js';
import { systemCalls } from './libc.js';
import { exerciseMounts } from './mounted.js';
import { type CommandOptions, type ExerciseOptions, parseOptions, USAGE } from './options.js';

const EXIT_RIGHT = 0;
const EXIT_DIFFERENT = 1;
const EXIT_USAGE = 2;

/** The command; returns its exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  if (argv.includes('--help')) {
    process.stdout.write(USAGE);
    return EXIT_RIGHT;
  }
  let options: CommandOptions;
  try {
    options = parseOptions(argv);
  } catch (error) {
    process.stderr.write(`exerciser: ${(error as Error).message}\n${USAGE}`);
    return EXIT_USAGE;
  }
  if (options.mount) return exerciseMounts(options) ? EXIT_RIGHT : EXIT_DIFFERENT;
  if (needsThreads(options.exercise)) return runWithThreads(argv, options.exercise.concurrent);
  for (let i = 0; i < options.seeds; i++) {
    const one = { ...options.exercise, seed: options.exercise.seed + i };
    if (!(await exerciseFile(one))) return EXIT_DIFFERENT;
  }
  return EXIT_RIGHT;
}

/** Parallel writes need a thread each, and libuv reads the number of threads when the process starts. */
function needsThreads(options: ExerciseOptions): boolean {
  const threads = Number(process.env.UV_THREADPOOL_SIZE ?? 4);
  return options.concurrent > threads;
}

function runWithThreads(argv: readonly string[], concurrent: number): number {
  const threads = Math.max(concurrent, availableParallelism());
  const env = { ...process.env, UV_THREADPOOL_SIZE: String(threads) };
  const words = [process.argv[1]!, ...argv];
  return spawnSync(process.execPath, words, { stdio: 'inherit', env }).status ?? EXIT_DIFFERENT;
}

async function exerciseFile(options: ExerciseOptions): Promise<boolean> {
  const start = performance.now();
  return withState(options, systemCalls, async (state) => {
    try {
      const outcome = await exercise(state, () => {});
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      const mebibytes = (bytes: number): string => `${Math.round(bytes / (1 << 20))} MiB`;
      const { bytesRead, bytesWritten } = outcome;
      const moved = `${mebibytes(bytesRead)} read, ${mebibytes(bytesWritten)} written`;
      const left = outcome.leftOut.length > 0 ? `, not supported: ${outcome.leftOut}` : '';
      const what = `seed ${options.seed}: ${outcome.operations} operations, ${moved}`;
      process.stdout.write(`${what}, ${seconds} s, no difference${left}\n`);
      return true;
    } catch (error) {
      if (!(error instanceof Difference)) throw error;
      const text = describe(error, state.journal, options);
      process.stdout.write(`seed ${options.seed}: ${text}\n`);
      return false;
    }
  });
}
