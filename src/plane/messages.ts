import type { MessagePort } from 'node:worker_threads';
import type { GroupsConfig } from '../control/set-up-groups.js';
import type { InflateCall } from '../image/inflate-calls.js';
import type { FigureNews } from '../throttle/stats.js';
import type { DiskConfig } from './disk.js';
import type { Unflushed } from './last-flush.js';
import type { Owner } from './transport.js';

/** All that the data plane's thread needs to begin. Descriptors are open, the mount is made. */
export interface PlaneConfig extends GroupsConfig {
  disks: DiskConfig[];
  /** /dev/fuse. */
  fuse: number;
  /** An eventfd: adding to it makes the thread look into `inbox`. */
  wake: number;
  /** Where ToPlane comes in. */
  inbox: MessagePort;
  owner: Owner;
  pollUs: number;
  pageCache: boolean;
  verbose: boolean;
  /** Lines for `.groups/daemon`. */
  about: string;
}

/** System calls that the thread hands over: they may wait for a disk. */
export type SlowCall = { kind: 'call'; request: number; descriptor: number } & (
  | { call: 'lseek' | 'ftruncate' /** Offset or size. */; offset: number; whence: number }
  | { call: 'futimens'; times: Uint8Array }
);

export type FromPlane =
  /** The kernel's INIT has been answered. */
  | { kind: 'ready' }
  /** A group or an assignment cannot be made as asked; the thread ends. */
  | { kind: 'refused'; message: string; errno: string }
  | { kind: 'log'; level: 'info' | 'warn'; text: string }
  | { kind: 'figures'; news: FigureNews }
  | SlowCall
  | InflateCall
  /**
   * Everything is answered, and flushed but for the disks in `unflushed`. `errno`: why the kernel ended
   * the session, 0 if we did.
   */
  | { kind: 'ended'; errno: number; unflushed: Unflushed[] };

export type ToPlane =
  /** Result of a slow call. */
  | { kind: 'result'; request: number; result: number }
  /** The answer to an InflateCall: the cluster, null if it is broken. */
  | { kind: 'inflated'; request: number; cluster: Uint8Array | null }
  /** Let waiting requests go without limits. */
  | { kind: 'release' }
  /** Receive no more, finish, flush, end. */
  | { kind: 'finish' };
