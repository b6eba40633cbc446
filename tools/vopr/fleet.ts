import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { atEnd } from '../lib/cleanup.js';
import { cpuTime } from '../lib/process.js';
import type { Order, Result } from './worker.js';

/**
 * Each processor runs a process, so threads that collect garbage gain nothing, and the new generation holds a run.
 */
const FLAGS = ['--enable-source-maps', '--single-threaded-gc', '--max-semi-space-size=32'];
const WORKER = fileURLToPath(new URL('./worker.js', import.meta.url));
/** A process makes this many runs; then a new one goes on. The mappings of a run are never unmapped. */
const RUNS_EACH = 2000;
/** No run takes this much processor time, clock ticks; how often that is looked at. */
const LONGEST_TICKS = 2000;
const LOOK_MS = 2000;

/** Processes that run seeds. */
export class Fleet {
  readonly #folder: string;
  readonly #jobs: number;

  constructor(folder: string, jobs: number) {
    this.#folder = folder;
    this.#jobs = jobs;
  }

  /** Runs all orders, several at once, and hands each result to `take`. False from there: no more. */
  async run(orders: Iterator<Order>, take: (result: Result) => boolean): Promise<void> {
    let isOver = false;
    const next = (): Order | null => {
      const { done, value } = isOver ? { done: true, value: null } : orders.next();
      return done === true ? null : value;
    };
    const work = async (): Promise<void> => {
      for (let order = next(); order !== null; ) {
        const child = fork(WORKER, [this.#folder], { execArgv: FLAGS });
        const forget = atEnd(async () => void child.kill());
        try {
          await heard(child);
          for (let i = 0; i < RUNS_EACH && order !== null; i++) {
            const result = await runIn(child, order);
            if (!take(result)) isOver = true;
            order = next();
            if (child.exitCode !== null || child.signalCode !== null || child.killed) break;
          }
        } finally {
          forget();
          if (child.connected) child.disconnect();
        }
      }
    };
    await Promise.all(Array.from({ length: this.#jobs }, work));
  }
}

/** Ends a process whose run goes on for ever, and then has a result. Until `forget`. */
function stuckRun(child: ChildProcess, order: Order): { result: Promise<Result>; forget(): void } {
  let timer: NodeJS.Timeout;
  const result = new Promise<Result>((resolve) => {
    let start: number | null = null;
    timer = setInterval(async () => {
      const used = await cpuTime(child.pid!);
      const ticks = used === null ? 0 : used.user + used.system;
      start ??= ticks;
      if (ticks - start < LONGEST_TICKS) return;
      child.kill('SIGKILL');
      resolve(without(order, 'the run does not end', (ticks - start) * 10));
    }, LOOK_MS);
  });
  return { result, forget: () => clearInterval(timer) };
}

/** What a process says next. Throws if it ends before. */
function heard(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const spoke = (message: unknown): void => {
      child.off('exit', died);
      resolve(message);
    };
    const died = (code: number | null, signal: string | null): void => {
      child.off('message', spoke);
      reject(new Error(`its process has ended with ${signal ?? code}`));
    };
    child.once('message', spoke);
    child.once('exit', died);
  });
}

/** Lets a process run a seed. That the process ends, or the run does not, is a result too. */
async function runIn(child: ChildProcess, order: Order): Promise<Result> {
  const stuck = stuckRun(child, order);
  try {
    const answer = heard(child) as Promise<Result>;
    // That it cannot be sent is told by the end of the process.
    child.send(order, () => {});
    const failed = ({ message }: Error): Result => without(order, message, 0);
    return await Promise.race([answer.catch(failed), stuck.result]);
  } finally {
    stuck.forget();
  }
}

/** The result of a run that has not told it. */
function without({ seed, wishes }: Order, fault: string, cpuMs: number): Result {
  return { seed, template: wishes.template, fault, operations: 0, coverage: [], cpuMs };
}
