import type { Task } from '../host/engine.js';
import type { ServedImage } from './disk.js';
import type { OwnTasks } from './own-tasks.js';
import { NONE } from './requests.js';

/** An image of which not all is on the host's disk. */
export interface Unflushed {
  name: string;
  /** Why, a positive errno number. */
  errno: number;
}

/** How the last flush of an image came out: a positive errno number each, or 0. */
export interface Flushed {
  /** Of the flush itself. */
  failed: number;
  /** Of an earlier one, which lost data. */
  lost: number;
}

/** The last flush of an image, when no request for it is under way any more. */
export class LastFlush {
  /** Images that were not flushed whole at the end of the mount. */
  readonly unflushed: Unflushed[] = [];
  readonly #tasks: OwnTasks;
  /** Those whose last flush is under way. */
  readonly #closing = new Set<ServedImage>();
  #isStarted = false;

  constructor(tasks: OwnTasks) {
    this.#tasks = tasks;
  }

  /** That of all images has begun. */
  get isStarted(): boolean {
    return this.#isStarted;
  }

  /** Flushes all images, at the end of the mount, but those that are just being flushed for a detach: their files go with it. */
  start(images: readonly ServedImage[]): void {
    this.#isStarted = true;
    for (const image of images) {
      if (this.#closing.has(image)) continue;
      this.startOf(image, (flushed) => this.note(image.name, flushed));
    }
  }

  /** The end of the mount tells how a flush came out, once for an image, if it was not whole. */
  note(name: string, { failed, lost }: Flushed): void {
    const errno = failed || lost;
    if (errno === 0 || this.unflushed.some((one) => one.name === name)) return;
    this.unflushed.push({ name, errno });
  }

  /** Flushes one image, which is detached. */
  startOf(image: ServedImage, ended: (flushed: Flushed) => void): void {
    this.#closing.add(image);
    this.#tasks.start(
      image,
      (request) => close(request, image),
      (result) => {
        this.#closing.delete(image);
        const { losses, driver, readOnly } = image;
        const lost = readOnly ? 0 : driver.takeLoss();
        // Nobody has the image open who could be told; it counts when the mount ends.
        if (lost !== 0) losses.add(lost, NONE, NONE);
        ended({ failed: Math.max(0, -result), lost: losses.errno });
      },
    );
  }
}

function* close(request: number, image: ServedImage): Task {
  return image.readOnly ? 0 : yield* image.driver.close(request, image.dirty);
}
