import { PENDING } from '../engine/engine.js';
import { type Requests, TASK } from './requests.js';

/**
 * A slow path: a coroutine that yields what an engine's operation returned and goes on with its
 * result. Returns what the request came to: a number from 0, or -errno.
 */
export type Task = Generator<number, number, number>;

/** The coroutines under way, by request. The common case, mapped and aligned, never makes one. */
export class Tasks {
  readonly #requests: Requests;
  readonly #running = new Map<number, Task>();
  readonly #ended: (request: number, result: number) => void;

  /** @param ended Called with what a task returned. */
  constructor(requests: Requests, ended: (request: number, result: number) => void) {
    this.#requests = requests;
    this.#ended = ended;
  }

  start(request: number, task: Task): void {
    this.#requests.state[request] = TASK;
    this.#running.set(request, task);
    this.resume(request, 0);
  }

  /** Goes on with the result of the I/O that the task waits for. */
  resume(request: number, result: number): void {
    const task = this.#running.get(request)!;
    let step = task.next(result);
    while (!step.done && step.value !== PENDING) step = task.next(step.value);
    if (!step.done) return;
    this.#running.delete(request);
    this.#ended(request, step.value);
  }
}
