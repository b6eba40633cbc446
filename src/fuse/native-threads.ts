import type { Libfuse } from '../sys/libfuse.js';

/**
 * While so few requests are held libfuse's own threads suffice, and are fastest: the kernel wakes
 * those that wait in turn, so that with more each is cold (at depth 1: none of ours 22-30 K
 * requests a second, 16: 10-20 K, on a busy machine with two processors).
 */
const FEW = 4;
/**
 * Threads that are to be left beside those that are held. Each one more costs every request: libuv
 * looks at all of them, and the kernel wakes them in turn, so that all are cold.
 */
const SPARE = 24;
/** libfuse keeps ten idle threads; so many more of its own may appear before we act, again each time. */
const STRANGERS = 16;
/** Threads of ours at most. Past that libfuse's own serve, which come and go. */
const LIMIT = 2048;

/**
 * Threads that serve libfuse's session. Its own pool ends each thread that finds ten others idle, at
 * 1400 a second under a queue depth of 32, and fuse-native never gives back what it keeps of a thread:
 * without ours the daemon would grow by half a MB a second and slow down. Ours come when
 * they are needed and stay until the end.
 */
export class NativeThreads {
  readonly #libfuse: Libfuse;
  readonly #channel: number;
  #count = 0;
  #seen = 0;
  #allowed = STRANGERS;

  constructor(libfuse: Libfuse, channel: number) {
    this.#libfuse = libfuse;
    this.#channel = channel;
  }

  /**
   * A thread has come to us for the first time. libfuse's own, should more and more of them come,
   * are a sign that it ends and starts them: then ours take over.
   */
  appeared(): void {
    this.#seen++;
    if (this.#seen - this.#count < this.#allowed || this.#count >= LIMIT) return;
    this.#allowed += STRANGERS;
    this.#add(SPARE);
  }

  /** Sees to it that threads are left while `held` requests hold one each. */
  want(held: number): void {
    if (held <= FEW || this.#count - held >= SPARE / 2 || this.#count >= LIMIT) return;
    this.#add(Math.min(LIMIT, held + SPARE) - this.#count);
  }

  #add(wanted: number): void {
    const started = this.#libfuse.startThreads(this.#channel, wanted);
    // Where the system refuses, asking again for each request would help nobody.
    this.#count = started < wanted ? LIMIT : this.#count + started;
  }
}
