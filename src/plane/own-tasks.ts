import type { Task } from '../host/engine.js';
import type { Requests } from './requests.js';
import type { Tasks } from './tasks.js';

/**
 * Tasks of the daemon itself, each under the number of a request that no caller has sent and that gets no
 * reply.
 */
export class OwnTasks {
  readonly #requests: Requests;
  readonly #tasks: Tasks;
  readonly #ended = new Map<number, (result: number) => void>();

  constructor(requests: Requests, tasks: Tasks) {
    this.#requests = requests;
    this.#tasks = tasks;
  }

  /** @param ended Called with the result of the task: a number from 0, or -errno. */
  start(make: (request: number) => Task, ended: (result: number) => void): void {
    const request = this.#requests.take();
    this.#ended.set(request, ended);
    this.#tasks.start(request, make(request));
  }

  /** The task of a request has ended. True if it was one of these; its number can be given back then. */
  ended(request: number, result: number): boolean {
    const ended = this.#ended.get(request);
    if (ended === undefined) return false;
    this.#ended.delete(request);
    ended(result);
    return true;
  }
}
