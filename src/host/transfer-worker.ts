import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { postSemaphore, pread, pwrite } from '../sys/transfer.js';
import { nowNs } from '../util/clock.js';
import { SpinWindow } from '../util/spin-window.js';
import * as queue from './transfer-queue.js';
import { TransferQueue } from './transfer-queue.js';

/**
 * Entry of the thread that makes transfers of files in memory, one after the other. It blocks while
 * there are none, and its event loop never runs.
 */

/**
 * Time in milliseconds after which the other thread is told of results that nobody waits for. Mostly the
 * next request makes it look sooner, and to wake it costs more than a transfer.
 */
const TELL_AFTER_MS = 1;

/** The start data of the thread. */
export interface TransferWorkerData {
  shared: SharedArrayBuffer;
  /** Microseconds to spin at most for the next transfer. */
  spinUs: number;
}

class TransferMaker {
  readonly #queue: TransferQueue;
  readonly #port: MessagePort;
  #done = 0;
  readonly #spin: SpinWindow;
  /** When the last transfer ended. */
  #busyNs = 0;
  /** Results that the other thread has to act on. */
  #urgent = false;

  constructor({ shared, spinUs }: TransferWorkerData, port: MessagePort) {
    this.#queue = new TransferQueue(shared);
    this.#spin = new SpinWindow(spinUs * 1000);
    this.#port = port;
  }

  run(): never {
    const { counters } = this.#queue;
    this.#port.postMessage(0);
    for (;;) {
      const given = Atomics.load(counters, queue.GIVEN);
      if (given !== this.#done) this.#make(given);
      else this.#wait();
    }
  }

  /** Makes all transfers up to the one with number `end`. */
  #make(end: number): void {
    const { counters } = this.#queue;
    this.#spin.received((end - this.#done) | 0, nowNs());
    while (this.#done !== end) {
      this.#transfer(this.#queue.entry(this.#done));
      this.#done = (this.#done + 1) | 0;
      Atomics.store(counters, queue.DONE, this.#done);
    }
    if (this.#urgent || Atomics.load(counters, queue.WANTED) === 1) this.#tell();
    this.#busyNs = nowNs();
  }

  #transfer(at: number): void {
    const { fields } = this.#queue;
    const descriptor = fields[at + queue.DESCRIPTOR]!;
    const length = fields[at + queue.LENGTH]!;
    const semaphore = fields[at + queue.SEMAPHORE]!;
    const call = fields[at + queue.IS_WRITE] === 1 ? pwrite : pread;
    const result = call(
      descriptor,
      fields[at + queue.ADDRESS]!,
      length,
      fields[at + queue.OFFSET]!,
    );
    fields[at + queue.RESULT] = result;
    if (semaphore !== 0 && result === length) postSemaphore(semaphore);
    else this.#urgent = true;
  }

  #tell(): void {
    this.#urgent = false;
    if (Atomics.exchange(this.#queue.counters, queue.TOLD, 1) === 0) this.#port.postMessage(0);
  }

  /** Until there is something to do: spins first. */
  #wait(): void {
    const { counters } = this.#queue;
    const until = this.#busyNs + this.#spin.windowNs;
    while (nowNs() < until) if (Atomics.load(counters, queue.GIVEN) !== this.#done) return;
    Atomics.store(counters, queue.ASLEEP, 1);
    // Looked at once more, for it may have been advanced before it could be seen that this one sleeps.
    if (Atomics.load(counters, queue.GIVEN) === this.#done && !this.#sleep(TELL_AFTER_MS)) {
      if (Atomics.load(counters, queue.SETTLED) !== this.#done) this.#tell();
      this.#sleep(Number.POSITIVE_INFINITY);
    }
    Atomics.store(counters, queue.ASLEEP, 0);
    this.#spin.slept(nowNs() - this.#busyNs);
  }

  /** @returns Whether it was woken. */
  #sleep(limitMs: number): boolean {
    return Atomics.wait(this.#queue.counters, queue.ASLEEP, 1, limitMs) !== 'timed-out';
  }
}

new TransferMaker(workerData as TransferWorkerData, parentPort!).run();
