import type { Task } from '../host/engine.js';
import type { ServedImage } from './disk.js';
import type { Requests } from './requests.js';
import type { Tasks } from './tasks.js';

/** An image of which not all is on the host's disk. */
export interface Unflushed {
  name: string;
  /** Why, a positive errno number. */
  errno: number;
}

/**
 * The last flush of all images, once no request is under way any more: tasks of the plane like others,
 * each under the number of a request that no caller has sent and that gets no reply.
 */
export class LastFlush {
  /** Images that were not flushed whole: their last flush failed, or an earlier one lost data. */
  readonly unflushed: Unflushed[] = [];
  readonly #requests: Requests;
  readonly #flushing = new Map<number, ServedImage>();
  #isStarted = false;

  constructor(requests: Requests) {
    this.#requests = requests;
  }

  get isStarted(): boolean {
    return this.#isStarted;
  }

  start(images: readonly ServedImage[], tasks: Tasks): void {
    this.#isStarted = true;
    for (const image of images) {
      const request = this.#requests.take();
      this.#flushing.set(request, image);
      tasks.start(request, close(request, image));
    }
  }

  /** The task of a request has ended. True if it was a part of the last flush. */
  ended(request: number, result: number): boolean {
    const image = this.#flushing.get(request);
    if (image === undefined) return false;
    this.#flushing.delete(request);
    const { name, losses } = image;
    const lost = image.readOnly ? 0 : image.driver.takeLoss();
    const errno = result < 0 ? -result : losses.errno || lost;
    if (errno !== 0) this.unflushed.push({ name, errno });
    return true;
  }
}

function* close(request: number, image: ServedImage): Task {
  return image.readOnly ? 0 : yield* image.driver.close(request, image.dirty);
}
