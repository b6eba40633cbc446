import type { Libfuse } from '../sys/libfuse.js';

/**
 * Threads to begin with. More make a request at depth 1 slower, because the kernel wakes them in
 * turn and each is cold (16: 32 K, 256: 15 K requests a second).
 */
const FIRST = 16;
/** Threads of ours at most. Past that libfuse's own serve, which come and go. */
const LIMIT = 2048;

/**
 * Threads that serve libfuse's session. Its own pool ends each thread that finds ten others idle, at
 * 2000 a second under a queue depth of 32, and fuse-native never gives back what it keeps of a thread:
 * without ours the daemon would grow by 1 MB a second and slow down. Ours stay until the end.
 */
export class NativeThreads {
  readonly #libfuse: Libfuse;
  readonly #channel: number;
  #count = 0;

  constructor(libfuse: Libfuse, channel: number) {
    this.#libfuse = libfuse;
    this.#channel = channel;
    this.#add(FIRST);
  }

  get count(): number {
    return this.#count;
  }

  /** Sees to it that threads are left while `held` requests hold one each. */
  want(held: number): void {
    if (held * 4 <= this.#count * 3 || this.#count >= LIMIT) return;
    this.#add(Math.min(this.#count, LIMIT - this.#count));
  }

  #add(wanted: number): void {
    const started = this.#libfuse.startThreads(this.#channel, wanted);
    // Where the system refuses, asking again for each request would help nobody.
    this.#count = started < wanted ? LIMIT : this.#count + started;
  }
}
