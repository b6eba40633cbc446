import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import type { ToPlane } from '../plane/messages.js';
import { mapAnonymous } from '../sys/memory.js';
import * as abi from '../uring/abi.js';
import type { RingQueue } from '../uring/ring.js';
import { TAG_WAKE } from '../uring/tags.js';

/**
 * Messages from the control plane. The thread sleeps in the ring and never runs its event loop, so
 * an eventfd read through the ring wakes it, and it empties the port by hand.
 */
export class Wake {
  readonly #ring: RingQueue;
  readonly #file: number;
  readonly #inbox: MessagePort;
  readonly #handle: (message: ToPlane) => void;
  readonly #counter = mapAnonymous(4096);

  /** @param file Index of the eventfd among the ring's registered files. */
  constructor(
    ring: RingQueue,
    file: number,
    inbox: MessagePort,
    handle: (message: ToPlane) => void,
  ) {
    this.#ring = ring;
    this.#file = file;
    this.#inbox = inbox;
    this.#handle = handle;
    this.#arm();
  }

  /** The eventfd has been read. */
  woken(): void {
    this.#arm();
    for (let next = receiveMessageOnPort(this.#inbox); next; ) {
      this.#handle(next.message as ToPlane);
      next = receiveMessageOnPort(this.#inbox);
    }
  }

  #arm(): void {
    const address = this.#counter.address;
    this.#ring.queue(abi.OP_READ, abi.SQE_FIXED_FILE, this.#file, address, 8, 0, 0, TAG_WAKE);
  }
}
