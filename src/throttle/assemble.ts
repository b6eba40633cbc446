import { Backlog } from './backlog.js';
import { BucketGate } from './bucket-gate.js';
import { BucketPaths } from './bucket-paths.js';
import { DeviceIdling } from './device-idling.js';
import { Dispatcher } from './dispatcher.js';
import { GroupTree } from './group-tree.js';
import { HeadCredit } from './head-credit.js';
import { LatencyControl } from './latency-control.js';
import { LeakyBuckets } from './leaky-buckets.js';
import { Members } from './members.js';
import { NONE, NodeTable, ROOT, ROOT_MEMBERS } from './node-table.js';
import type { Parts } from './parts.js';
import { PressureTable } from './pressure.js';
import { RequestTable } from './request-table.js';
import { Reservations } from './reservations.js';
import { SfqTree } from './sfq-tree.js';
import { Siblings } from './siblings.js';
import type { Counters } from './stats.js';
import { fitTables } from './tables.js';
import { Windows } from './windows.js';

/** A throttle in parts. */
export type Assembly = ReturnType<typeof assemble>;

/**
 * Makes the parts of a throttle and gives them to each other. There is the root group, and no member.
 *
 * @param capacity Number of requests; they are numbered from 0.
 * @param maxDepth Requests that the caller can have in flight.
 * @param counters Counts what happens.
 */
export function assemble(
  capacity: number,
  maxDepth: number,
  counters: Counters,
  devices: number,
  devicesInUse = devices,
) {
  /** Sentences for the log, oldest first. Whoever prints them empties the list. */
  const warnings: string[] = [];
  const groups = new GroupTree();
  const table = new RequestTable(capacity, devices);
  const nodes = new NodeTable(devices, devicesInUse);
  const pressures = new PressureTable((rows) => counters.tellPressures(rows));
  const buckets = new LeakyBuckets((levels) => counters.tellLevels(levels));
  const paths = new BucketPaths(table, buckets);
  const credit = new HeadCredit(table, buckets, paths);
  const idling = new DeviceIdling(nodes);
  const siblings = new Siblings(nodes, table, idling);
  const gate = new BucketGate(nodes, siblings, buckets, paths);
  const tree = new SfqTree({ table, nodes, siblings, gate, idling });
  const reservations = new Reservations(nodes, warnings);
  const latency = new LatencyControl(nodes);
  const windows = new Windows(nodes, maxDepth);
  const backlog = new Backlog(nodes, idling, pressures, windows);
  const requests = { table, buckets, paths, credit, gate, idling, tree, windows, backlog };
  const shares = { nodes, groups, reservations, latency, pressures, counters };
  const parts: Parts = { ...requests, ...shares };
  const dispatcher = new Dispatcher(parts);
  const members = new Members(parts, dispatcher);

  fitTables(parts, groups.highWater, members.highWater);
  tree.addGroup(ROOT, NONE);
  tree.addGroup(ROOT_MEMBERS, ROOT);
  paths.rebuild(groups.root);
  return { ...parts, dispatcher, members, warnings };
}
