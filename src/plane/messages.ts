import type { MessagePort } from 'node:worker_threads';
import type { News } from '../control/figures.js';
import type { GroupsConfig } from '../control/set-up-groups.js';
import type { NbdExport, NbdNews } from '../host/nbd-export.js';
import type { SlowCall } from '../host/uring-engine.js';
import type { InflateCall } from '../image/inflate-calls.js';
import type { PlaneState, Unclosed } from './carry-over.js';
import type { DiskConfig } from './disk.js';
import type { GroupOrder, GroupOutcome } from './group-orders.js';
import type { ImageChange, ImageOutcome } from './image-changes.js';
import type { Unflushed } from './last-flush.js';
import type { OrderAnswer } from './orders.js';
import type { Owner } from './transport.js';

/** All that the data plane's thread needs to begin. Descriptors are open, the mount is made. */
export interface PlaneConfig extends GroupsConfig {
  disks: DiskConfig[];
  /** /dev/fuse. */
  fuse: number;
  /** FUSE over io_uring: the number of its queues, one for each possible processor. 0: /dev/fuse only. */
  queues: number;
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
  /** The state of the data plane whose place this one takes; missing: the mount is new. */
  before?: MountState | undefined;
  /** Where the state is kept for a daemon that goes on after this one has died; missing: nowhere. */
  keep?: KeepConfig | undefined;
}

/** Descriptors. */
export interface KeepConfig {
  /** A file of memory for a SnapshotFile. */
  state: number;
  /** Its file is closed when the last request of this data plane has ended, also after its process has died. */
  guard: number;
}

/** The state of a mount as one data plane leaves it to the next. Plain data. */
export interface MountState {
  plane: PlaneState;
  /** That of the transport, which alone understands it. */
  session: unknown;
}

/** Events in the life of a data plane, the same for all transports. */
export type PlaneEvent =
  /** The kernel's INIT has been answered. */
  | { kind: 'ready' }
  /** A group or an assignment cannot be made as asked, or the kernel passes no files through. */
  | { kind: 'refused'; message: string; errno: string; exitCode: number }
  /** The kernel has ended the session, because the mount was unmounted. */
  | { kind: 'disconnected' }
  /** No request is under way any more, and none is taken. */
  | { kind: 'drained' }
  | { kind: 'flushed' }
  /** The last flush is done, but for the images in `unflushed`, one at least. */
  | { kind: 'flush-failed'; unflushed: Unflushed[] }
  | { kind: 'crashed'; message: string };

export type FromPlane =
  | PlaneEvent
  | { kind: 'log'; level: 'info' | 'warn'; text: string }
  /** The program is loaded. Told before there is a plane. */
  | { kind: 'loaded' }
  | { kind: 'figures'; news: News }
  /**
   * The answer to `hold`: nothing is under way, and images are closed clean. With `before` it comes unasked, without a
   * state, as soon as all is ready. `failed`: images that could not be closed; there is no state then.
   */
  | { kind: 'held'; state: MountState | null; failed: readonly Unclosed[] }
  /** An order about images, for the control plane. Answered by `ordered`. */
  | { kind: 'order'; request: number; text: string }
  /** The answer to `change`. */
  | { kind: 'changed'; id: number; outcome: ImageOutcome }
  /** The answer to `groups`. */
  | { kind: 'grouped'; id: number; outcome: GroupOutcome }
  | SlowCall
  | InflateCall
  /** The connections to an export are lost, and new ones are wanted. Answered by NbdNews, once or twice. */
  | { kind: 'nbd-lost'; export: NbdExport; why: string }
  /** They are wanted no more. */
  | { kind: 'nbd-left'; export: NbdExport };

export type ToPlane =
  /** Result of a slow call. */
  | { kind: 'result'; request: number; result: number }
  /** The answer to an InflateCall: the cluster, null if it is broken. */
  | { kind: 'inflated'; request: number; cluster: Uint8Array | null }
  | NbdNews
  | { kind: 'ordered'; request: number; answer: OrderAnswer }
  /** Change the images. Answered by `changed`. */
  | { kind: 'change'; id: number; change: ImageChange }
  /** An order about groups. Answered by `grouped`, before the next message is taken. */
  | { kind: 'groups'; id: number; order: GroupOrder }
  /** Take no more requests, start none that wait, and close all images clean. Answered by `held`. */
  | { kind: 'hold' }
  /** Go on after `hold`, or begin in the place of another data plane. */
  | { kind: 'go-on' }
  /** Let waiting requests go without limits. */
  | { kind: 'release' }
  /** Take no more requests, and let waiting ones go without limits. Answered by `drained`. */
  | { kind: 'drain' }
  /** Make the last flush, and end. Answered by `flushed` or `flush-failed`. */
  | { kind: 'flush' };
