import { zstdReady } from './control-plane.js';
import { Coverage } from './coverage.js';
import type { Wishes } from './plan.js';
import { runSeed } from './run.js';
import { mapMemory } from './sim-memory.js';

/** Entry of a process that runs seeds: one for each message, in the folder that is its argument. */

/** A seed to run. */
export interface Order {
  seed: number;
  wishes: Omit<Wishes, 'keep'> & { keep?: number[] | undefined };
}

/** How it went. */
export interface Result {
  seed: number;
  /** The kind of all its images, if one was wished. */
  template: number | undefined;
  /** Null: all is well. */
  fault: string | null;
  /** Of the host. */
  operations: number;
  /** Processor time that it took, milliseconds. */
  cpuMs: number;
  /** Of this run. */
  coverage: [string, number][];
}

/** The sentence of an error, and where it comes from. */
function describe(error: unknown): string {
  const { message, stack } = error as Error;
  const at = stack?.split('\n').find((line) => /^\s+at .*(src|vopr)\//.test(line)) ?? '';
  return `${message}${at.replace(/\s+at /, ' [')}${at === '' ? '' : ']'}`;
}

await zstdReady;
const mapping = mapMemory();
process.on('message', async ({ seed, wishes }: Order) => {
  const coverage = new Coverage();
  const bench = { folder: process.argv[2]!, mapping, coverage, trace: null };
  const { template } = wishes;
  const result: Result = { seed, template, fault: null, operations: 0, cpuMs: 0, coverage: [] };
  const start = process.cpuUsage();
  try {
    const keep = wishes.keep === undefined ? undefined : new Set(wishes.keep);
    result.operations = await runSeed(seed, bench, { ...wishes, keep });
  } catch (error) {
    result.fault = describe(error);
  }
  const { user, system } = process.cpuUsage(start);
  result.cpuMs = (user + system) / 1000;
  result.coverage = [...coverage.counts];
  process.send!(result);
});
process.on('disconnect', () => process.exit());
process.send!('ready');
