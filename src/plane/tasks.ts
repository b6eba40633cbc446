import { PENDING, type Task } from '../host/engine.js';
import { type Requests, TASK } from './requests.js';

/** The coroutines under way, by request. The common case, mapped and aligned, never makes one. */
export class Tasks {
  readonly #requests: Requests;
  readonly #running = new Map<number, Task>();
  readonly #ended: (request: number, result: number) => void;

  /** @param ended Called with the result of a task. */
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
