import { EventQueue } from '../simulator/event-queue.js';

/** What Node.js calls between two callbacks. It does nothing while a promise's own callback runs. */
const goOn = (process as unknown as { _tickCallback: () => void })._tickCallback;

/** Something that a run must not do. The message says all; the seed repeats it. */
export class Failure extends Error {}

/** The thread of the data plane was ended from outside, or died. */
export class Stopped extends Error {}

/** The simulated time, and all that is going to happen. */
export class World {
  /** Nanoseconds. Each look at the clock takes some. */
  nowNs = 0;
  /** Set: the thread of the data plane ends at its next system call. */
  stop: string | null = null;
  /** What must not happen and has, where nobody can throw it. */
  failure: Failure | null = null;
  #queue = new EventQueue();
  readonly #events = new Map<number, () => void>();
  #number = 0;
  /** Order of events and observations: no two have the same. */
  #tick = 0;

  /** Takes a line for each thing that happens; null: nobody wants them. */
  trace: ((text: string) => void) | null = null;

  readonly now = (): number => {
    this.nowNs += 50;
    return this.nowNs;
  };

  tick(): number {
    return ++this.#tick;
  }

  get nextNs(): number {
    return this.#queue.nextTime;
  }

  /** @param afterNs Nanoseconds from now. */
  schedule(afterNs: number, event: () => void): void {
    this.#events.set(++this.#number, event);
    this.#queue.push(this.nowNs + afterNs, this.#number);
  }

  /** Notes a failure where a promise may swallow it. */
  fail(message: string): Failure {
    const failure = new Failure(message);
    this.failure ??= failure;
    return failure;
  }

  /** Lets promises go on as far as they can at this moment: no event loop turns while a session runs. */
  settle(): void {
    goOn();
    if (this.failure !== null) throw this.failure;
  }

  /** Nothing that was going to happen happens any more. Promises of before go on as far as they can now, and no later. */
  clear(): void {
    goOn();
    this.#queue = new EventQueue();
    this.#events.clear();
    this.stop = null;
    this.failure = null;
  }

  /** Lets everything happen that is due. */
  runDue(): void {
    while (this.#queue.nextTime <= this.nowNs) this.#runOne();
  }

  /** Goes to the next event, but not past `untilNs`. False if there is none up to then. */
  advance(untilNs: number): boolean {
    const next = this.#queue.nextTime;
    if (next > untilNs || next === Infinity) {
      if (untilNs !== Infinity) this.nowNs = Math.max(this.nowNs, untilNs);
      return false;
    }
    this.nowNs = Math.max(this.nowNs, next);
    this.#runOne();
    return true;
  }

  #runOne(): void {
    const number = this.#queue.pop();
    const event = this.#events.get(number)!;
    this.#events.delete(number);
    event();
  }
}
