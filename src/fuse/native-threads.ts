import type { Libfuse } from '../sys/libfuse.js';

/**
 * Up to this number of held requests libfuse's own threads suffice and are the fastest. The kernel
 * wakes waiting threads in rotation, so more of them have cold caches (queue depth 1 on a busy machine
 * with two processors: 22-30 K requests per second without threads of ours, 10-20 K with 16).
 */
const FEW = 4;
/** Idle threads to keep beside the held ones. Each costs every request a little, as above. */
const SPARE = 24;
/** New threads of libfuse that may appear before we add some of ours. libfuse keeps ten idle ones. */
const STRANGERS = 16;
/** Most threads of ours. Above it libfuse's own threads serve, which come and go. */
const LIMIT = 2048;

/**
 * Threads of ours that serve libfuse's session. libfuse's own pool ends each thread that finds ten
 * others idle: 1400 threads per second at queue depth 32. fuse-native never frees the locals of a
 * thread, so the daemon would grow by half a MB per second and slow down. Our threads start when they
 * are needed and stay until the end.
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
   * A thread has called for the first time. More and more new threads are a sign that libfuse ends and
   * starts them; then ours take over.
   */
  appeared(): void {
    this.#seen++;
    if (this.#seen - this.#count < this.#allowed || this.#count >= LIMIT) return;
    this.#allowed += STRANGERS;
    this.#add(SPARE);
  }

  /** Keeps idle threads available while `held` requests hold one each. */
  want(held: number): void {
    if (held <= FEW || this.#count - held >= SPARE / 2 || this.#count >= LIMIT) return;
    this.#add(Math.min(LIMIT, held + SPARE) - this.#count);
  }

  #add(wanted: number): void {
    const started = this.#libfuse.startThreads(this.#channel, wanted);
    // After a refusal of the system no more threads are asked for.
    this.#count = started < wanted ? LIMIT : this.#count + started;
  }
}
