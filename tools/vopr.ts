import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { runTool, UsageError } from './lib/cleanup.js';
import { temporaryFolder } from './lib/image.js';
import { inRange, toolOptions } from './lib/options.js';
import { zstdReady } from './vopr/control-plane.js';
import { Coverage } from './vopr/coverage.js';
import { Fleet } from './vopr/fleet.js';
import { ENDS, type EndKind, makePlan, type Wishes } from './vopr/plan.js';
import { TEMPLATES } from './vopr/plan-images.js';
import { runSeed } from './vopr/run.js';
import { shrink } from './vopr/shrink.js';
import { mapMemory } from './vopr/sim-memory.js';
import { Tally } from './vopr/tally.js';
import { makeTemplates } from './vopr/templates.js';
import { TIGHT } from './vopr/tight.js';
import { TIGHT_DEATHS } from './vopr/tight-deaths.js';
import type { Order, Result } from './vopr/worker.js';

/**
 * Runs the whole daemon in a simulator: the data plane, its images, groups and life cycle are the real
 * ones; the kernel, the host's files, the clock and the signals are not. Everything random comes from a
 * seed, and the same seed does the same again.
 */

/** Seeds that have failed once, one a line, with the option that they failed with; `#` begins a comment. */
const CORPUS = new URL('../../tools/vopr/corpus.txt', import.meta.url);

/** How often it is told how far a long run is. */
const TELL_MS = 60_000;

function readOptions() {
  return toolOptions('vopr', 'Runs the whole daemon in a simulator, and looks for faults.')
    .options({
      seed: { type: 'number', describe: 'the first seed of the range [from the clock]' },
      runs: { type: 'number', describe: 'how many seeds [100, if there are no --seconds]' },
      seconds: { type: 'number', describe: 'how long' },
      jobs: { type: 'number', default: availableParallelism(), describe: 'processes at once' },
      failures: { type: 'number', default: 1000, describe: 'seeds that may fail before it ends' },
      corpus: { type: 'boolean', default: false, describe: 'begin with seeds that failed once' },
      image: { type: 'number', describe: `only images of this kind, 0 to ${TEMPLATES.length - 1}` },
      end: { type: 'string', choices: ENDS, describe: 'how each session ends' },
      each: {
        type: 'boolean',
        default: false,
        describe: 'let each operation of the host fail once',
      },
      forever: { type: 'boolean', default: false, describe: 'with --each: and all later ones' },
      step: { type: 'number', default: 1, describe: 'with --each: one operation of N' },
      most: { type: 'number', describe: 'with --each: no more operations with each kind of image' },
      early: {
        type: 'boolean',
        default: false,
        describe: 'as seeds of the corpus that say `early`: without newer images and callers',
      },
      fixed: {
        type: 'boolean',
        default: false,
        describe: 'as seeds of the corpus that say `fixed`: no image comes or goes',
      },
      long: {
        type: 'boolean',
        default: false,
        describe: 'as seeds of the corpus that say `long`: no run is a short one',
      },
      servers: { type: 'boolean', default: false, describe: 'images on NBD servers in every run' },
      'hand-overs': {
        type: 'boolean',
        default: false,
        describe: 'mounts go from process to process in every run',
      },
      crashes: {
        type: 'boolean',
        default: false,
        describe: 'daemons die, and others go on, in every run that can have that',
      },
      tight: {
        type: 'string',
        choices: [...TIGHT, ...TIGHT_DEATHS],
        describe: 'this is tight in every run that can have that; the last three need deaths',
      },
      loose: {
        type: 'boolean',
        default: false,
        describe: 'as seeds of the corpus that say `loose`: nothing is tight',
      },
      redo: {
        type: 'boolean',
        describe:
          'with deaths: of mounts with qcow2 images and redo logs, or with raw ones [drawn]',
      },
      judge: {
        type: 'boolean',
        describe: 'let qemu-img look at every image [with --each; else at one in 60]',
      },
      images: {
        type: 'string',
        describe: 'a folder for the images that runs begin with: others use it again',
      },
      keep: { type: 'array', number: true, describe: 'only these operations of callers' },
      shrink: { type: 'boolean', default: false, describe: 'find the fewest operations that fail' },
      trace: { type: 'boolean', default: false, describe: 'tell all that happens in one run' },
      coverage: { type: 'boolean', default: true, describe: 'tell what was reached' },
    })
    .check(({ jobs, failures, image = 0, step, most = 1 }) => {
      inRange('jobs', jobs, 1, 256);
      inRange('failures', failures, 1, 1e6);
      inRange('image', image, 0, TEMPLATES.length - 1);
      inRange('step', step, 1, 1e6);
      inRange('most', most, 1, 1e6);
      return true;
    })
    .parseSync();
}

type Options = ReturnType<typeof readOptions>;

/** What seeds of the corpus failed without or with, by the word behind them. */
const CORPUS_WORDS: Readonly<Record<string, Order['wishes']>> = {
  early: { early: true },
  fixed: { fixed: true },
  long: { long: true },
  servers: { servers: true, still: true },
  'hand-overs': { handOvers: true, still: true },
  still: { still: true },
  loose: { loose: true, still: true, redo: false },
  crashes: { crashes: true, loose: true, still: true, redo: false },
  redo: { crashes: true, loose: true, still: true, redo: true },
  deaths: { crashes: true, still: true },
  killed: { crashes: true },
};

function corpusSeeds(): { seed: number; wishes: Order['wishes'] }[] {
  const lines = readFileSync(CORPUS, 'utf8').split('\n');
  return lines.flatMap((line) => {
    const [seed, word] = line.split(/\s+/, 2) as [string, string];
    const wishes = CORPUS_WORDS[word] ?? {};
    return /^[0-9]+$/.test(seed) ? [{ seed: Number(seed), wishes }] : [];
  });
}

/** The runs to make, in order. */
function* orders(options: Options, first: number, wishes: Order['wishes']): Generator<Order> {
  const until =
    options.seconds === undefined ? Infinity : performance.now() + options.seconds * 1e3;
  const runs = options.runs ?? (options.seconds === undefined ? 100 : Infinity);
  if (options.corpus) {
    for (const one of corpusSeeds()) yield { ...one, wishes: { ...wishes, ...one.wishes } };
  }
  for (let seed = first; seed < first + runs && performance.now() < until; seed++) {
    yield { seed, wishes };
  }
}

/** A run for each operation of the host in the only session of a seed, with an image of each kind. */
async function eachFailure(
  { forever, step, most = Infinity, image, judge, end = 'umount' }: Options,
  seed: number,
  fleet: Fleet,
  take: (result: Result) => boolean,
): Promise<void> {
  const kinds = image === undefined ? [...TEMPLATES.keys()] : [image];
  const order = (template: number, failing: number): Order => {
    return { seed, wishes: { template, end: end as EndKind, forever, failing, judge } };
  };
  const operations = new Map<number, number>();
  const whole = kinds.map((template) => order(template, 0));
  await fleet.run(whole.values(), (result) => {
    operations.set(result.template!, result.operations);
    return take(result);
  });
  const failing = [...operations].flatMap(([template, all]) => {
    const count = Math.min(Math.ceil(all / step), most);
    console.log(`${TEMPLATES[template]!.title}: ${count} of ${all} operations fail in turn`);
    // As far from each other as can be; the last one is among them.
    return Array.from({ length: count }, (_, at) => {
      return order(template, Math.ceil(((at + 1) * all) / count));
    });
  });
  await fleet.run(failing.values(), take);
}

async function main(): Promise<number> {
  const options = readOptions();
  const first = options.seed ?? Math.floor(Date.now() / 1000) % 1e9;
  const { image, keep, judge, early, fixed, long, servers, handOvers, crashes, redo, loose } =
    options;
  const end = options.end as EndKind | undefined;
  const tight = options.tight as Wishes['tight'];
  const wishes = {
    template: image,
    end,
    keep,
    judge,
    early,
    fixed,
    long,
    servers,
    handOvers,
    crashes,
    tight,
    loose,
    redo,
  };
  const folder = options.images ?? (await temporaryFolder('/dev/shm'));
  if (readdirSync(folder).length === 0) makeTemplates(folder);
  if (options.trace || options.shrink) return await look(options, first, wishes, folder);
  console.log(`first seed ${first}`);
  const fleet = new Fleet(folder, options.jobs);
  const tally = new Tally();
  const take = (result: Result): boolean => {
    tally.add(result);
    return tally.faults < options.failures;
  };
  const telling = setInterval(() => console.log(tally.progress), TELL_MS);
  if (options.each) await eachFailure(options, first, fleet, take);
  else await fleet.run(orders(options, first, wishes), take);
  clearInterval(telling);
  for (const line of tally.lines(options.coverage)) console.log(line);
  return tally.faults > 0 ? 1 : 0;
}

/** One seed in this process. */
async function look(
  { shrink: shrinks, trace }: Options,
  seed: number,
  { keep, ...others }: Order['wishes'],
  folder: string,
): Promise<number> {
  await zstdReady;
  const mapping = mapMemory();
  const run = async (wishes: Wishes, traces: boolean): Promise<string | null> => {
    const bench = { folder, mapping, coverage: new Coverage(), trace: traces ? console.log : null };
    try {
      await runSeed(seed, bench, wishes);
      return null;
    } catch (error) {
      return (error as Error).stack ?? String(error);
    }
  };
  let kept = keep === undefined ? undefined : new Set(keep);
  if (shrinks) {
    if ((await run({ ...others, keep: kept }, false)) === null) {
      throw new UsageError(`seed ${seed} does not fail`);
    }
    kept = await shrink(seed, { ...others, keep: kept }, async (fewer) => {
      return (await run({ ...others, keep: fewer }, false)) !== null;
    });
  }
  const plan = makePlan(seed, { ...others, keep: kept });
  console.log(JSON.stringify(plan, (_, value) => (value === Infinity ? 'Infinity' : value)));
  const fault = await run({ ...others, keep: kept }, trace);
  if (kept !== undefined) console.log(`--seed ${seed} --keep ${[...kept].join(' ')}`);
  console.log(fault ?? 'no fault');
  return fault === null ? 0 : 1;
}

await runTool('vopr', main);
