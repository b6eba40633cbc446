/** Lets the task of a request go on. */
export type Resume = (request: number) => void;

/** Tasks that wait until another task has done the work for all of them, by key. */
export class Waiters {
  readonly #resume: Resume;
  readonly #waiting = new Map<number | string, number[]>();

  constructor(resume: Resume) {
    this.#resume = resume;
  }

  /** The task of `request` must yield PENDING next; it goes on when its key is woken. */
  add(key: number | string, request: number): void {
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) this.#waiting.set(key, [request]);
    else waiting.push(request);
  }

  /** Lets all go on that wait for a key. They look again themselves. */
  wake(key: number | string): void {
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) return;
    this.#waiting.delete(key);
    for (const request of waiting) this.#resume(request);
  }
}
