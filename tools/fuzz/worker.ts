import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { describeError } from '../../src/util/errors.js';
import { Campaign } from './campaign.js';
import { Coverage } from './coverage.js';
import type { Target } from './target.js';

/** Entry of a process that runs inputs of one target. Its parent sees when it hangs or dies. */

/** What to do. */
export interface Order {
  target: string;
  seed: number;
  /** Of the first input. */
  first: number;
  inputs: number;
  seconds: number;
  learns: boolean;
  folder: string;
  /** Path of a single input to run; null for a campaign. */
  input: string | null;
}

/** How it went. */
export interface Report {
  inputs: number;
  kept: number;
  blocks: number;
  characters: number;
  /** Processor time, seconds. */
  seconds: number;
  /** What was found; the input is in the file `CURRENT`. */
  fault: string | null;
}

/** The file with the input that is being run, behind its length in 8 bytes of text. */
export const CURRENT = 'current';
const LENGTH_CHARACTERS = 8;
/** The corpus of the process before, in the form of node:v8. */
const CORPUS = 'corpus';
/** What the processes before have reached, in the same form. */
const REACHED = 'reached';

/** The most processor time that an input may take, milliseconds. */
export const LIMIT_MS = 1000;
/** The most by which one input may grow the resident memory. */
const LIMIT_BYTES = 256 << 20;

/** The input of a file `CURRENT`. */
export function currentInput(folder: string): Buffer {
  const bytes = readFileSync(join(folder, CURRENT));
  const length = Number(bytes.toString('latin1', 0, LENGTH_CHARACTERS));
  return bytes.subarray(LENGTH_CHARACTERS, LENGTH_CHARACTERS + length);
}

/** A function that runs an input and measures it. */
function bounded(target: Target, folder: string, file: number) {
  const run = target.prepare(folder);
  return async (input: Buffer): Promise<void> => {
    writeSync(file, String(input.length).padEnd(LENGTH_CHARACTERS), 0);
    writeSync(file, input, 0, input.length, LENGTH_CHARACTERS);
    const start = process.cpuUsage();
    const before = process.memoryUsage.rss();
    await run(input);
    const { user, system } = process.cpuUsage(start);
    const took = (user + system) / 1000;
    if (took > LIMIT_MS) throw new Error(`it takes ${Math.round(took)} ms`);
    const memory = process.memoryUsage.rss() - before;
    if (memory > LIMIT_BYTES) throw new Error(`it takes ${memory >> 20} MiB`);
  };
}

function firstCorpus({ folder, first }: Order, target: Target): Buffer[] {
  if (first === 0) return target.seeds(folder);
  return deserialize(readFileSync(join(folder, CORPUS))).map(Buffer.from);
}

async function obey(order: Order): Promise<Report> {
  const { seed, first, inputs, seconds, learns, folder, input } = order;
  // Before the code is loaded: V8 counts blocks of functions that it has compiled since.
  const coverage = new Coverage();
  if (first > 0) coverage.goOnWith(deserialize(readFileSync(join(folder, REACHED))));
  const { TARGETS } = await import('./targets.js');
  const report: Report = { inputs: 0, kept: 0, blocks: 0, characters: 0, seconds: 0, fault: null };
  const target = TARGETS.find(({ name }) => name === order.target)!;
  const corpus = firstCorpus(order, target);
  const file = openSync(join(folder, CURRENT), 'w');
  try {
    const run = bounded(target, folder, file);
    if (input !== null) await run(readFileSync(input));
    else {
      const words = await target.words();
      const campaign = new Campaign({ target, words, seed, first, learns, corpus }, coverage, run);
      try {
        await campaign.go({ seconds, inputs });
      } finally {
        report.inputs = campaign.inputs;
        report.kept = campaign.kept;
      }
      report.blocks = coverage.blocks;
      report.characters = coverage.characters;
      writeFileSync(join(folder, CORPUS), serialize(campaign.corpus));
      writeFileSync(join(folder, REACHED), serialize(coverage.known));
    }
  } catch (error) {
    report.fault = describeError(error);
  } finally {
    closeSync(file);
  }
  const { user, system } = process.cpuUsage();
  report.seconds = (user + system) / 1e6;
  return report;
}

if (process.send !== undefined) {
  process.once('message', async (order: Order) => {
    const report = await obey(order);
    process.send!(report, () => process.exit());
  });
  process.send('ready');
}
