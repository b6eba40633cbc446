import type { FromPlane } from '../plane/messages.js';

/**
 * Messages to the control plane. To wake its thread takes as long as several requests (25 us in a virtual machine), so
 * messages go together, when the requests that are there have been taken.
 */
export class Outbox {
  readonly #post: (messages: readonly FromPlane[]) => void;
  #messages: FromPlane[] = [];
  #hasYielded = false;

  constructor(post: (messages: readonly FromPlane[]) => void) {
    this.#post = post;
  }

  get isEmpty(): boolean {
    return this.#messages.length === 0;
  }

  readonly send = (message: FromPlane): void => {
    this.#messages.push(message);
  };

  /**
   * Posts what there is, or leaves it for the turn after this one.
   * @param isBusy Requests are there, which go first; but not twice.
   */
  look(isBusy: boolean): void {
    if (isBusy && !this.#hasYielded) this.#hasYielded = true;
    else this.post();
  }

  /** Posts what there is. */
  post(): void {
    this.#hasYielded = false;
    if (this.isEmpty) return;
    const messages = this.#messages;
    this.#messages = [];
    this.#post(messages);
  }
}
