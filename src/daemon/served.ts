/** How a mount ended. */
export type EndReason =
  /** Unmounted, by `stop` or from outside. All is flushed. */
  | { kind: 'unmounted' }
  /** The data plane died; the mount has been aborted. */
  | { kind: 'crashed'; message: string };

/** A mount that is being served. */
export interface Served {
  /** Settles once, when the mount is gone and everything is flushed. Does not reject. */
  readonly ended: Promise<EndReason>;
  /**
   * Ends the mount: takes no more requests, lets waiting ones go without limits, finishes what is
   * in flight, flushes, unmounts. With `atOnce`, waiting requests fail and the mount is aborted.
   * May be called again.
   */
  stop(atOnce: boolean): Promise<void>;
}
