import type { Backlog } from './backlog.js';
import type { BucketGate } from './bucket-gate.js';
import type { BucketPaths } from './bucket-paths.js';
import type { DeviceIdling } from './device-idling.js';
import type { GroupTree } from './group-tree.js';
import type { HeadCredit } from './head-credit.js';
import type { LatencyControl } from './latency-control.js';
import type { LeakyBuckets } from './leaky-buckets.js';
import type { NodeTable } from './node-table.js';
import type { PressureTable } from './pressure.js';
import type { RequestTable } from './request-table.js';
import type { Reservations } from './reservations.js';
import type { SfqTree } from './sfq-tree.js';
import type { Counters } from './stats.js';
import type { Windows } from './windows.js';

/** The parts of a throttle that the dispatcher, and what is changed by an administrator, work on. */
export interface Parts {
  readonly groups: GroupTree;
  readonly table: RequestTable;
  readonly nodes: NodeTable;
  readonly buckets: LeakyBuckets;
  readonly paths: BucketPaths;
  readonly credit: HeadCredit;
  readonly gate: BucketGate;
  readonly idling: DeviceIdling;
  readonly tree: SfqTree;
  readonly reservations: Reservations;
  readonly latency: LatencyControl;
  readonly windows: Windows;
  readonly backlog: Backlog;
  readonly pressures: PressureTable;
  readonly counters: Counters;
}
