import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { atEnd } from '../lib/cleanup.js';
import type { Order, Result } from './worker.js';

const WORKER = fileURLToPath(new URL('./worker.js', import.meta.url));
/** A process makes this many runs; then a new one goes on. The mappings of a run are never unmapped. */
const RUNS_EACH = 2000;

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
        const child = fork(WORKER, [this.#folder], { execArgv: ['--enable-source-maps'] });
        const forget = atEnd(async () => void child.kill());
        try {
          const answer = conversation(child);
          await answer(null);
          for (let i = 0; i < RUNS_EACH && order !== null; i++) {
            const result = await answer(order);
            if (!take(result as Result)) isOver = true;
            order = next();
          }
        } finally {
          forget();
          child.disconnect();
        }
      }
    };
    await Promise.all(Array.from({ length: this.#jobs }, work));
  }
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
