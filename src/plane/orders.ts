import { PENDING, type Task } from '../host/engine.js';
import type { Plane } from './plane.js';

/** The answer to an order: what its writer reads, and whether the write failed. */
export interface OrderAnswer {
  /** A line of JSON. */
  text: string;
  /** The errno of the write, by name; null: it is well. */
  errno: string | null;
  /** The sentence of the error, for the log and `refused`; '' without one. */
  reason: string;
}

/** Orders about images, which the control plane carries out: their writers wait until it has answered. */
export class Orders {
  readonly #plane: () => Plane;
  readonly #post: ((request: number, text: string) => void) | null;
  readonly #waiting = new Map<number, (answer: OrderAnswer) => number>();

  /** @param post Takes an order to the control plane; null: there is none. */
  constructor(plane: () => Plane, post: ((request: number, text: string) => void) | null) {
    this.#plane = plane;
    this.#post = post;
  }

  /** Images can come and go here. */
  get isOpen(): boolean {
    return this.#post !== null;
  }

  /**
   * Takes an order, written by a request.
   * @param answered Called with its answer; returns the result of the request.
   * @returns DEFERRED
   */
  take(request: number, text: string, answered: (answer: OrderAnswer) => number): number {
    const result = this.#plane().runUncharged(request, answer());
    this.#waiting.set(request, answered);
    this.#post!(request, text);
    return result;
  }

  /** The control plane has answered the order that a request has written. */
  answered(request: number, answer: OrderAnswer): void {
    const answered = this.#waiting.get(request)!;
    this.#waiting.delete(request);
    this.#plane().completed(request, answered(answer));
  }
}

/** Waits for the answer, which is the result. */
function* answer(): Task {
  return yield PENDING;
}
