import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { atEnd } from '../lib/cleanup.js';
import { cpuTime } from '../lib/process.js';
import type { Order, Result } from './worker.js';

/**
 * Each processor runs a process, so threads that collect garbage gain nothing, and the new generation holds a run.
 */
const FLAGS = ['--enable-source-maps', '--single-threaded-gc', '--max-semi-space-size=64'];
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
          const answer = conversation(child);
          await answer(null);
          for (let i = 0; i < RUNS_EACH && order !== null; i++) {
            const stuck = stuckRun(child, order.seed);
            const result = await Promise.race([answer(order), stuck.result]);
            stuck.forget();
            if (!take(result as Result)) isOver = true;
            order = next();
            if (child.killed) break;
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
function stuckRun(child: ChildProcess, seed: number): { result: Promise<Result>; forget(): void } {
  let timer: NodeJS.Timeout;
  const result = new Promise<Result>((resolve) => {
    let start: number | null = null;
    timer = setInterval(async () => {
      const used = await cpuTime(child.pid!);
      const ticks = used === null ? 0 : used.user + used.system;
      start ??= ticks;
      if (ticks - start < LONGEST_TICKS) return;
      child.kill('SIGKILL');
      const cpuMs = (ticks - start) * 10;
      resolve({ seed, fault: 'the run does not end', operations: 0, coverage: [], cpuMs });
    }, LOOK_MS);
  });
  return { result, forget: () => clearInterval(timer) };
}

/** A function that sends an order, if there is one, and waits for what the process says. */
function conversation(child: ChildProcess): (order: Order | null) => Promise<unknown> {
  let seed = 0;
  const died = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`seed ${seed}: the process has ended with ${code ?? signal}`);
  });
  died.catch(() => {});
  return async (order) => {
    const answered = once(child, 'message');
    if (order !== null) {
      seed = order.seed;
      child.send(order);
    }
    const [message] = await Promise.race([answered, died]);
    return message;
  };
}
