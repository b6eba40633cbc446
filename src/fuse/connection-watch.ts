import { readSync } from 'node:fs';
import { wakeEventfd } from '../sys/eventfd.js';
import { close, pollLong } from '../sys/libc.js';
import { POLLIN } from '../uring/abi.js';
import { isGone } from './mount.js';

/** How often the connection is looked at while there are requests, milliseconds. */
const LOOK_MS = 50;
/** Time without a request after which the watch goes to sleep, milliseconds. */
const QUIET_MS = 1000;

/**
 * Tells when the kernel has cut a connection that libfuse's threads read, which tell nobody. A thread of libuv's
 * pool that sleeps in poll(2) is woken for that, but by each request too. So it sleeps while there are no
 * requests, and otherwise a timer looks: a daemon that is idle never wakes up.
 *
 * The timer or the thread keeps the process alive until `stop`.
 */
export class ConnectionWatch {
  readonly #fd: number;
  readonly #gone: () => void;
  readonly #quietMs: number;
  /** Wakes the thread. */
  readonly #alarm: number;
  #timer: NodeJS.Timeout | null = null;
  /** Looks since the last request. */
  #looks = 0;
  #isAsleep = false;
  #isTold = false;
  #isStopped = false;

  /**
   * @param fd An open /dev/fuse. It must stay open until `stop`.
   * @param alarm An eventfd that does not block, and is closed here. The caller has it before it mounts, as there may be no more.
   * @param gone Called once.
   */
  constructor(fd: number, alarm: number, gone: () => void, quietMs = QUIET_MS) {
    this.#fd = fd;
    this.#gone = gone;
    this.#quietMs = quietMs;
    this.#alarm = alarm;
    this.#start();
  }

  /** A thread sleeps until something happens. */
  get isAsleep(): boolean {
    return this.#isAsleep;
  }

  /** There are requests. */
  busy(): void {
    this.#looks = 0;
    if (this.#isAsleep) this.#wake();
  }

  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    if (this.#isAsleep) this.#wake();
    else close(this.#alarm);
  }

  #start(): void {
    this.#looks = 0;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  #look(): void {
    if (this.#isTold) return;
    if (isGone(this.#fd)) {
      this.#isTold = true;
      this.#gone();
    } else if (++this.#looks * LOOK_MS >= this.#quietMs) void this.#sleep();
  }

  async #sleep(): Promise<void> {
    clearInterval(this.#timer!);
    this.#timer = null;
    this.#isAsleep = true;
    // The end of a process waits for the threads of the pool.
    process.once('exit', this.#wake);
    const fds = new Int32Array([this.#fd, 0, this.#alarm, POLLIN]);
    await pollLong(new Uint8Array(fds.buffer), 2, -1);
    process.off('exit', this.#wake);
    this.#isAsleep = false;
    this.#silence();
    if (this.#isStopped) {
      close(this.#alarm);
      return;
    }
    this.#start();
    this.#look();
  }

  #silence(): void {
    try {
      readSync(this.#alarm, new Uint8Array(8));
    } catch {
      // EAGAIN: it was the connection that woke the thread.
    }
  }

  readonly #wake = (): void => {
    wakeEventfd(this.#alarm);
  };
}
