import type { Task } from '../host/engine.js';
import type { ServedImage } from './disk.js';
import type { Requests } from './requests.js';
import type { Tasks } from './tasks.js';

interface OwnTask {
  image: ServedImage;
  ended: (result: number) => void;
}

/**
 * Tasks of the daemon itself, each under the number of a request that no caller has sent and that gets no
 * reply.
 */
export class OwnTasks {
  readonly #requests: Requests;
  readonly #tasks: Tasks;
  /** By request. */
  readonly #underWay = new Map<number, OwnTask>();

  constructor(requests: Requests, tasks: Tasks) {
    this.#requests = requests;
    this.#tasks = tasks;
  }

  /**
   * @param image What it is about.
   * @param ended Called with the result of the task: a number from 0, or -errno.
   */
  start(
    image: ServedImage,
    make: (request: number) => Task,
    ended: (result: number) => void,
  ): void {
    const request = this.#requests.take();
    this.#underWay.set(request, { image, ended });
    this.#tasks.start(request, make(request));
  }

  /** The task of a request has ended. True if it was one of these; its number can be given back then. */
  ended(request: number, result: number): boolean {
    const task = this.#underWay.get(request);
    if (task === undefined) return false;
    this.#underWay.delete(request);
    task.ended(result);
    return true;
  }

  /** One of them is about this image. */
  isAt(image: ServedImage): boolean {
    return [...this.#underWay.values()].some((task) => task.image === image);
  }
}
