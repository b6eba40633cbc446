import type { Unflushed } from '../plane/last-flush.js';

/** How a mount ended. */
export type EndReason =
  /** Unmounted, by `stop` or from outside. All is flushed but for the disks in `unflushed`. */
  | { kind: 'unmounted'; unflushed: Unflushed[] }
  /** A group or an assignment could not be made; before readiness only. */
  | { kind: 'refused'; message: string; errno: string }
  /** The data plane died; the mount has been aborted. */
  | { kind: 'crashed'; message: string };

/** A mount that is being served. */
export interface Served {
  /** Settles once, when the mount is gone and everything is flushed. Does not reject. */
  readonly ended: Promise<EndReason>;
  /** What whoever mounts should be told, one line. */
  readonly notice?: string;
  /** Writes the figures of all groups to the log. */
  report(): void;
  /**
   * Ends the mount: takes no more requests, lets waiting ones go without limits, finishes what is
   * in flight, flushes, unmounts. With `atOnce`, waiting requests fail and the mount is aborted.
   * May be called again.
   */
  stop(atOnce: boolean): Promise<void>;
}
