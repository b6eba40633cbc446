import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import * as queue from './transfer-queue.js';
import { ENTRIES, TransferQueue } from './transfer-queue.js';
import type { TransferWorkerData } from './transfer-worker.js';

/** Callbacks for results. */
export interface TransferEvents {
  /** There are results: `settle` is to be called. */
  told(): void;
  /**
   * A transfer has ended: a count of bytes or -errno. A short read that had a semaphore gives 0: its
   * bytes may have gone to another address (`replyBehind`), so all of it has to be read again.
   */
  completed(request: number, result: number): void;
  /** A transfer was complete, and its semaphore has been posted. */
  replied(request: number): void;
  /** The thread has come to an end: nothing that it was given will. */
  failed(error: Error): void;
}

/**
 * A thread that makes transfers of files in memory. There is no device to wait for, so one thread makes
 * them as fast as several; and what it is asked for in one turn costs one wake-up, where libuv's pool
 * takes one for each request.
 */
export class TransferThread {
  /** Some caller uses `replyBehind`. */
  canReply = false;
  /** Resolves when the thread runs. */
  readonly ready: Promise<void>;

  readonly #queue = new TransferQueue();
  readonly #events: TransferEvents;
  readonly #worker: Worker;
  #given = 0;
  #settled = 0;

  /** @param spinUs For how long the thread looks for the next transfer before it sleeps, microseconds. */
  constructor(events: TransferEvents, spinUs: number) {
    this.#events = events;
    const workerData: TransferWorkerData = { shared: this.#queue.shared, spinUs };
    const program = join(import.meta.dirname, '../host/transfer-worker.js');
    this.#worker = new Worker(program, { workerData, name: 'sluice-transfer' });
    this.ready = new Promise((resolve, reject) => {
      // The first message says that it has loaded its modules; `online` comes before that.
      this.#worker.once('message', () => {
        this.#worker.on('message', () => events.told());
        // It must not keep the process alive, as a listener does, when the mount is gone.
        this.#worker.unref();
        resolve();
      });
      this.#worker.on('error', (error) => {
        reject(error);
        events.failed(error);
      });
    });
  }

  /** Transfers that were given and not settled. */
  get underWay(): number {
    return (this.#given - this.#settled) | 0;
  }

  get hasRoom(): boolean {
    return this.underWay < ENTRIES;
  }

  /**
   * Asks for a transfer; there must be room. A thread that is awake begins it at once.
   * @param isHeld Not before `replyBehind`, which must come next.
   */
  give(
    request: number,
    isWrite: boolean,
    descriptor: number,
    address: number,
    length: number,
    offset: number,
    isHeld: boolean,
  ): void {
    const { fields } = this.#queue;
    const at = this.#queue.entry(this.#given);
    fields[at + queue.IS_WRITE] = isWrite ? 1 : 0;
    fields[at + queue.DESCRIPTOR] = descriptor;
    fields[at + queue.ADDRESS] = address;
    fields[at + queue.LENGTH] = length;
    fields[at + queue.OFFSET] = offset;
    fields[at + queue.SEMAPHORE] = 0;
    fields[at + queue.REQUEST] = request;
    if (!isHeld) this.#advance();
  }

  /**
   * Begins the transfer that is held: when, and only when, it is complete, `semaphore` is posted.
   * @param address Where a read's data is to go instead; 0: where it was to go.
   */
  replyBehind(semaphore: number, address: number): void {
    const { fields } = this.#queue;
    const at = this.#queue.entry(this.#given);
    fields[at + queue.SEMAPHORE] = semaphore;
    if (address !== 0) fields[at + queue.ADDRESS] = address;
    this.#advance();
  }

  #advance(): void {
    this.#given = (this.#given + 1) | 0;
    Atomics.store(this.#queue.counters, queue.GIVEN, this.#given);
  }

  /** Wakes the thread if it sleeps with transfers to make. */
  wake(): void {
    const { counters } = this.#queue;
    if (Atomics.load(counters, queue.ASLEEP) === 0) return;
    if (Atomics.load(counters, queue.GIVEN) === Atomics.load(counters, queue.DONE)) return;
    Atomics.store(counters, queue.ASLEEP, 0);
    Atomics.notify(counters, queue.ASLEEP);
  }

  /** Reports transfers that have ended. @returns Whether there were any. */
  settle(): boolean {
    const { fields, counters } = this.#queue;
    Atomics.store(counters, queue.TOLD, 0);
    const before = this.#settled;
    const done = Atomics.load(counters, queue.DONE);
    while (this.#settled !== done) {
      const at = this.#queue.entry(this.#settled);
      const request = fields[at + queue.REQUEST]!;
      const result = fields[at + queue.RESULT]!;
      const hasReply = fields[at + queue.SEMAPHORE] !== 0;
      const isWrite = fields[at + queue.IS_WRITE] === 1;
      this.#settled = (this.#settled + 1) | 0;
      if (!hasReply) this.#events.completed(request, result);
      else if (result === fields[at + queue.LENGTH]) this.#events.replied(request);
      else this.#events.completed(request, isWrite ? result : Math.min(0, result));
    }
    Atomics.store(counters, queue.SETTLED, this.#settled);
    return this.#settled !== before;
  }

  /** Whether to be told of each result; else only of those without a semaphore, and before it sleeps. */
  want(wanted: boolean): void {
    Atomics.store(this.#queue.counters, queue.WANTED, wanted ? 1 : 0);
  }

  end(): void {
    void this.#worker.terminate();
  }
}
