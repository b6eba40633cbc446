import { NONE } from './requests.js';

/** Losses as another process goes on with them. Plain data. */
export interface LossState {
  errno: number;
  lastOpen: number;
  told: number[];
}

/**
 * Losses by failed flushes of one image, and the handles that have been told. After a failed fsync(2) the host
 * counts the pages that it could not write as clean, and says of the next fsync that all is well. As Linux does
 * for its own files since 4.13 (errseq), every handle that was open when a flush failed gets the
 * error once.
 */
export class FlushLosses {
  /** Errno of the newest loss, 0 while there was none. Never forgotten: what is lost stays lost. */
  errno = 0;
  /** Handles up to this one were open at the newest loss. */
  #lastOpen = 0;
  /** Those among them that know. */
  readonly #told = new Set<number>();

  /**
   * A flush failed.
   * @param errno Positive.
   * @param lastHandle The newest handle of any disk.
   * @param told The handle that gets the error with this very flush.
   */
  add(errno: number, lastHandle: number, told: number): void {
    this.errno = errno;
    this.#lastOpen = lastHandle;
    this.#told.clear();
    this.#told.add(told);
  }

  /**
   * The error that a successful flush through `handle` has to report all the same: 0 or -errno. A change of times flushes
   * through no handle, NONE, and has no part in the losses of others.
   */
  report(handle: number): number {
    const wasOpen = handle !== NONE && handle <= this.#lastOpen;
    if (this.errno === 0 || !wasOpen || this.#told.has(handle)) return 0;
    this.#told.add(handle);
    return -this.errno;
  }

  carryOut(): LossState {
    return { errno: this.errno, lastOpen: this.#lastOpen, told: [...this.#told] };
  }

  carryIn({ errno, lastOpen, told }: LossState): void {
    this.errno = errno;
    this.#lastOpen = lastOpen;
    for (const handle of told) this.#told.add(handle);
  }

  closed(handle: number): void {
    this.#told.delete(handle);
  }
}
