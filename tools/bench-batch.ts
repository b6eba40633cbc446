import { once } from 'node:events';
import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { mapAnonymous } from '../src/sys/memory.js';
import { OP_READ, SQE_FIXED_FILE } from '../src/uring/abi.js';
import { Ring } from '../src/uring/ring.js';
import { measureBatches } from './bench-batch/in-mount.js';
import { measureMounts } from './bench-batch/two-mounts.js';
import { runTool } from './lib/cleanup.js';
import { makeImage, temporaryFolder } from './lib/image.js';
import type { Slice } from './lib/in-slices.js';
import { describeMachine, machineLine } from './lib/machine.js';
import { inRange, toolOptions } from './lib/options.js';
import { checkSluiceBuilt } from './lib/sluice.js';
import { rotate, type Spread, spreadOf } from './lib/stats.js';
import { formatIops, markdownTable, shortNumber } from './lib/table.js';

/**
 * Decisions of the data plane, measured: all that a turn produces goes down in one system call, against one call for
 * each entry; the ring has a thread of its own, which sleeps in the kernel, against turns of Node.js' event loop; and a mount
 * has one such thread, against a mount for each image.
 */

const IMAGE_MIB = 512;
const SIZE = IMAGE_MIB << 20;
const BLOCK = 4096;
const DEPTH = 32;
const IN_MEMORY = '/dev/shm';
const PARTS = ['batches', 'thread', 'mounts'] as const;

/** Reads at random places of a file, DEPTH at a time, straight through a ring. */
class Reads {
  readonly #ring = new Ring(64);
  readonly #address = mapAnonymous(DEPTH * BLOCK).address;
  readonly #file: number;
  done = 0;

  constructor(descriptor: number) {
    this.#file = this.#ring.addFile(descriptor);
    for (let slot = 0; slot < DEPTH; slot++) this.#read(slot);
  }

  #read(slot: number): void {
    const offset = Math.floor(Math.random() * (SIZE / BLOCK)) * BLOCK;
    const address = this.#address + slot * BLOCK;
    this.#ring.queue(OP_READ, SQE_FIXED_FILE, this.#file, address, BLOCK, offset, 0, slot);
  }

  turn(waits: boolean): void {
    if (waits) this.#ring.submitAndWait(Infinity);
    else this.#ring.submit();
    while (this.#ring.peek()) {
      const { completedTag, completedResult } = this.#ring;
      this.#ring.advance();
      if (completedResult !== BLOCK) throw new Error(`a read ended with ${completedResult}`);
      this.done++;
      this.#read(completedTag);
    }
  }
}

interface Run {
  file: string;
  seconds: number;
}

/** Reads a second, and processor time of a read. `waits`: in the kernel, which needs a thread of its own. */
async function runReads({ file, seconds }: Run, waits: boolean): Promise<Slice> {
  const descriptor = openSync(file, constants.O_RDONLY | constants.O_DIRECT);
  try {
    const reads = new Reads(descriptor);
    const [cpu, begin] = [process.cpuUsage(), performance.now()];
    const end = begin + seconds * 1000;
    while (performance.now() < end) {
      reads.turn(waits);
      if (!waits) await setImmediate();
    }
    const { user, system } = process.cpuUsage(cpu);
    const iops = (reads.done * 1000) / (performance.now() - begin);
    return { iops, ns: ((user + system) * 1000) / reads.done };
  } finally {
    closeSync(descriptor);
  }
}

async function inThread(run: Run): Promise<Slice> {
  const worker = new Worker(new URL(import.meta.url), { workerData: run });
  const [slice] = (await once(worker, 'message')) as [Slice];
  await worker.terminate();
  return slice;
}

/** `b` beside `a`, pair by pair: percent more requests a second, and ns more of a request. */
function row(name: string, a: readonly Slice[], b: readonly Slice[]): string[] {
  const middle = (slices: readonly Slice[]): string => {
    const ns = spreadOf(slices.map((one) => one.ns)).median;
    return `${formatIops(spreadOf(slices.map((one) => one.iops)).median)}, ${shortNumber(ns / 1000)} us`;
  };
  const more = b.map((one, index) => 100 * (one.iops / a[index]!.iops - 1));
  return [name, middle(a), middle(b), spread(spreadOf(more))];
}

function spread({ median, error }: Spread): string {
  return `${median < 0 ? '' : '+'}${shortNumber(median)} ± ${shortNumber(error)} %`;
}

async function compareBatches(seconds: number, dir: string): Promise<string> {
  const rows: string[][] = [];
  for (const [place, parent] of Object.entries({ memory: IN_MEMORY, disk: dir })) {
    for await (const { name, alone, together } of measureBatches(parent, seconds)) {
      rows.push(row(`${name}, ${place}`, alone, together));
    }
  }
  return markdownTable(['4 KiB', 'one call an entry', 'one call a turn', 'gain'], rows);
}

async function compareThread(rounds: number, dir: string): Promise<string> {
  const folder = await temporaryFolder(dir);
  const file = join(folder, 'disk.img');
  await makeImage(file, IMAGE_MIB);
  const found: Record<'loop' | 'thread', Slice[]> = { loop: [], thread: [] };
  for (let round = 0; round < rounds; round++) {
    for (const how of rotate(['loop', 'thread'] as const, round)) {
      const run = { file, seconds: 1 };
      found[how].push(await (how === 'loop' ? runReads(run, false) : inThread(run)));
    }
  }
  const one = row(`randread, QD ${DEPTH}, disk, without a mount`, found.loop, found.thread);
  return markdownTable(['4 KiB', 'event loop', 'own thread', 'gain'], [one]);
}

async function compareMounts(rounds: number): Promise<string> {
  const rows: string[][] = [];
  for await (const { name, one, two } of measureMounts(IN_MEMORY, rounds, 1)) {
    rows.push(row(`${name}, two images in memory`, one, two));
  }
  return markdownTable(['4 KiB', 'one mount', 'two mounts', 'gain'], rows);
}

async function main(): Promise<number> {
  const { seconds, rounds, dir, only } = await toolOptions(
    'bench-batch',
    'Measures what the data plane gains by sending down all that a turn produces in one system call, by a\n' +
      'thread of its own, and by a second mount. Figures: requests a second, processor time of a request.',
  )
    .options({
      seconds: { type: 'number', default: 20, describe: 'of load on each mount' },
      rounds: {
        type: 'number',
        default: 9,
        describe: 'rounds of a second with and without a thread, and with one mount and two',
      },
      only: { choices: PARTS, describe: 'this part only' },
      dir: { type: 'string', default: 'build', describe: 'a folder on a disk' },
    })
    .parseAsync();
  inRange('seconds', seconds, 2, 3600);
  inRange('rounds', rounds, 1, 1000);
  await checkSluiceBuilt();
  console.log(`${machineLine(await describeMachine([]))}\n`);
  const parts: Record<(typeof PARTS)[number], () => Promise<string>> = {
    batches: () => compareBatches(seconds, dir),
    thread: () => compareThread(rounds, dir),
    mounts: () => compareMounts(rounds),
  };
  for (const part of PARTS) {
    if (only === undefined || only === part) console.log(`${await parts[part]()}\n`);
  }
  return 0;
}

if (isMainThread) await runTool('bench-batch', main);
else parentPort!.postMessage(await runReads(workerData as Run, true));
