import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Target } from './fuzz/target.js';
import { TARGETS } from './fuzz/targets.js';
import { currentInput, LIMIT_MS, type Order, type Report } from './fuzz/worker.js';
import { atEnd, checkNotEnding, runTool, UsageError } from './lib/cleanup.js';
import { temporaryFolder } from './lib/image.js';
import { toolOptions } from './lib/options.js';
import { cpuTime } from './lib/process.js';

/**
 * Hands hostile bytes to everything that takes bytes from outside: seeded mutations of good inputs. Those that
 * reach new code, by the counters of V8, are kept and mutated further. Each input must end in a
 * result, or in a SluiceError or an errno, within a second of processor time and in bounded memory.
 * Anything else ends this program with 1; it prints the seed and the path of the input.
 */

const WORKER = fileURLToPath(new URL('./fuzz/worker.js', import.meta.url));
/** The JavaScript heap of a process, MiB. */
const HEAP_MIB = 512;
/** A process that has used this much of a processor since its input changed does not end. */
const HANG_MS = 4 * LIMIT_MS;
const POLL_MS = 500;
/** Of the processor time in /proc: USER_HZ is 100. */
const MS_PER_TICK = 10;

function readOptions() {
  return toolOptions('fuzz', 'Hands hostile bytes to the parts of Sluice that take them.')
    .options({
      target: {
        type: 'string',
        array: true,
        choices: TARGETS.map(({ name }) => name),
        default: TARGETS.map(({ name }) => name),
        describe: TARGETS.map(({ name, about }) => `${name}: ${about}`).join('; '),
      },
      seconds: {
        type: 'number',
        describe: 'processor time for each target [60, without --inputs]',
      },
      inputs: { type: 'number', describe: 'how many inputs for each target' },
      short: { type: 'boolean', default: false, describe: 'the few inputs of the test suite' },
      seed: { type: 'number', default: 1, describe: 'of the random numbers' },
      input: { type: 'string', describe: 'run this file alone, on one target' },
      feedback: { type: 'boolean', default: true, describe: 'keep inputs that reach new code' },
      finds: { type: 'string', default: '.', describe: 'folder for an input that is a find' },
      folder: { type: 'string', default: tmpdir(), describe: 'folder for images' },
    })
    .parseSync();
}

/** Resolves to a sentence if the process is busy with one input for too long; never otherwise. */
function watchForHangs(
  child: ChildProcess,
  folder: string,
): { hung: Promise<string>; end(): void } {
  let input: Buffer = Buffer.alloc(0);
  let since = 0;
  let timer: NodeJS.Timeout;
  const hung = new Promise<string>((resolve) => {
    timer = setInterval(async () => {
      const { user, system } = (await cpuTime(child.pid!)) ?? { user: 0, system: 0 };
      const used = (user + system) * MS_PER_TICK;
      const now = currentInput(folder);
      if (!now.equals(input)) [input, since] = [now, used];
      else if (used - since > HANG_MS) resolve(`no end after ${used - since} ms`);
    }, POLL_MS);
  });
  return { hung, end: () => clearInterval(timer) };
}

/** Runs inputs in a process of its own. */
async function runWorker(order: Order): Promise<Report> {
  writeFileSync(join(order.folder, 'current'), '0'.padEnd(8));
  const execArgv = [`--max-old-space-size=${HEAP_MIB}`, '--enable-source-maps'];
  const child = fork(WORKER, [], { execArgv, serialization: 'advanced' });
  const forget = atEnd(async () => void child.kill('SIGKILL'));
  const lost = (fault: string): Report => {
    return { inputs: 0, kept: 0, blocks: 0, characters: 0, seconds: 0, fault };
  };
  const died = once(child, 'exit').then(([code, signal]) =>
    lost(`it ended with ${code ?? signal}`),
  );
  await once(child, 'message');
  const answered = once(child, 'message').then(([report]) => report as Report);
  child.send(order);
  const watch = watchForHangs(child, order.folder);
  try {
    return await Promise.race([answered, died, watch.hung.then(lost)]);
  } finally {
    watch.end();
    child.kill('SIGKILL');
    forget();
  }
}

/** Runs a campaign of a target, in one process after another. */
async function fuzz(target: Target, options: ReturnType<typeof readOptions>): Promise<boolean> {
  const { seed, finds, input } = options;
  const folder = await temporaryFolder(options.folder);
  const wanted = options.inputs ?? (options.short ? target.short : undefined);
  const inputs = wanted ?? Number.POSITIVE_INFINITY;
  const seconds = options.seconds ?? (wanted === undefined ? 60 : Number.POSITIVE_INFINITY);
  const sum = { inputs: 0, kept: 0, seconds: 0, blocks: 0, characters: 0 };
  do {
    const report = await runWorker({
      target: target.name,
      seed,
      first: sum.inputs,
      inputs: Math.min(target.each, inputs - sum.inputs),
      seconds: seconds - sum.seconds,
      learns: options.feedback,
      folder,
      input: input === undefined ? null : resolve(input),
    });
    // A signal has ended the process.
    checkNotEnding();
    if (report.fault !== null) {
      const path = join(resolve(finds), `find-${target.name}-${seed}`);
      writeFileSync(path, currentInput(folder));
      process.stdout.write(`${target.name}: seed ${seed}, input ${path}: ${report.fault}\n`);
      return false;
    }
    sum.inputs += report.inputs;
    sum.kept += report.kept;
    sum.seconds += report.seconds;
    ({ blocks: sum.blocks, characters: sum.characters } = report);
  } while (input === undefined && sum.inputs < inputs && sum.seconds < seconds);
  process.stdout.write(
    `${target.name}: ${sum.inputs} inputs, ${sum.kept} kept, ${sum.blocks} blocks and ` +
      `${sum.characters} characters of code reached, ${Math.round(sum.seconds)} s, nothing found\n`,
  );
  return true;
}

async function main(): Promise<number> {
  const options = readOptions();
  if (options.input !== undefined && options.target.length !== 1) {
    throw new UsageError('--input: say which target it is for, with --target');
  }
  let isGood = true;
  for (const target of TARGETS) {
    if (options.target.includes(target.name)) isGood = (await fuzz(target, options)) && isGood;
  }
  return isGood ? 0 : 1;
}

await runTool('fuzz', main);
