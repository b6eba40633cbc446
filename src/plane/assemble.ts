import { Control, type PartitionSnapshot } from '../control/control.js';
import type { News } from '../control/figures.js';
import { setUpGroups } from '../control/set-up-groups.js';
import { idOf } from '../sys/id-names.js';
import * as proc from '../sys/proc.js';
import { Callers as CallerCounts, callersOf } from '../throttle/callers.js';
import { Counters } from '../throttle/stats.js';
import { Throttle } from '../throttle/throttle.js';
import { ControlTree, type Reread } from '../tree/control-tree.js';
import { Tree } from '../tree/tree.js';
import { refuse } from '../util/errors.js';
import { DeviceSlots, devicePlaces } from './device-slots.js';
import { type Disk, diskSize, type ShownPartitions } from './disk.js';
import { DiskTable } from './disk-table.js';
import { type CommonIo, LiveImages } from './live-images.js';
import { Members } from './members.js';
import type { PlaneConfig } from './messages.js';
import { Orders } from './orders.js';
import { Plane } from './plane.js';
import { LockTable } from './range-locks.js';
import type { Callers } from './rules.js';
import { TableNews } from './table-news.js';

/** The configuration of a data plane. */
export type AssemblyConfig = Pick<
  PlaneConfig,
  'disks' | 'groups' | 'assignments' | 'about' | 'depth' | 'before'
> & {
  /** The transport does not tell the caller of a request. */
  hidesCallers?: boolean;
};

/** A data plane without transport and loop, and what it shows. */
export interface Assembly {
  readonly plane: Plane;
  readonly throttle: Throttle;
  readonly members: Members;
  readonly images: LiveImages;
  readonly control: Control;
  readonly orders: Orders;
  readonly tree: Tree;
  readonly controlTree: ControlTree;
}

/** With what tells about callers; missing: /proc. */
type AssemblyIo = CommonIo & { callers?: Callers };

/** Where a data plane reports to. */
interface Reports {
  /** Called with the reasons of refused changes. */
  info: (text: string) => void;
  /** Called with each warning of the throttle, and about the host. */
  warn: (text: string) => void;
  /** Called with news for a FigureReader. */
  figures?: (news: News) => void;
  /** Called with the number of each disk that goes. */
  gone?: (disk: number) => void;
  /** Takes an order about images to the control plane; missing: there is none. */
  order?: (request: number, text: string) => void;
}

/**
 * Puts together the parts of a data plane that are the same for every transport and engine.
 *
 * @param io The files of all images are handed to its engine.
 * @throws SluiceError naming the option of the mount that is at fault.
 */
export function assemble(
  config: AssemblyConfig,
  io: AssemblyIo,
  { info, warn, figures, gone = () => {}, order }: Reports,
): Assembly {
  const { places, inUse } = devicePlaces(config.disks.map(({ device }) => device));
  const counters = new Counters(figures);
  const { requests, inFlight } = io.memory.capacity;
  const throttle = new Throttle(requests, inFlight, counters, places, inUse);
  const callers = io.callers ?? { ...proc, idOf };
  const members = new Members(throttle, callers, config.hidesCallers);
  const counts = new CallerCounts();
  figures?.({ kind: 'callers', rows: counts.rows });
  const tree = new Tree();
  const tableNews = new TableNews(warn);
  const table = new DiskTable();
  const images = new LiveImages({
    ...{ table, tree, members, io, gone },
    locks: new LockTable(requests),
    devices: new DeviceSlots(places, throttle),
    news: tableNews,
    plane: () => plane,
  });
  const { engine, memory } = io;
  const { isBeingKilled } = callers;
  const { disks } = table;
  const plane = new Plane({
    memory,
    disks,
    throttle,
    members,
    callers: counts,
    engine,
    isBeingKilled,
    warn,
    tableNews,
  });
  plane.afterTurn = () => {
    images.look();
    control.followSizes(false);
  };
  const control = new Control(
    throttle,
    members,
    () => plane.nowNs,
    {
      images: () => images.wholes.map(images.snapshotOf),
      partitions: () => images.wholes.flatMap(shownOf).map(partitionOf),
      callers: () => callersOf(counts.rows, plane.nowNs),
    },
    figures,
  );
  for (const disk of config.disks.map((one) => images.add(one))) images.showPartitions(disk);
  const { assignments, before } = config;
  const asked = before === undefined ? assignments : members.stillGood(assignments);
  setUpGroups({ ...config, assignments: asked }, control);
  const reread: Reread = (request, name, result) =>
    plane.reread(request, chosen(images.wholes, name), result);
  const orders = new Orders(() => plane, order ?? null);
  const controlTree = new ControlTree(tree, control, config.about, { reread, orders }, info);
  return { plane, throttle, members, images, control, orders, tree, controlTree };
}

function shownOf({ image }: Disk): Disk[] {
  return image.partitions?.disks ?? [];
}

/** @throws SluiceError ENOENT, EOPNOTSUPP for an image whose partitions are not shown */
function chosen(wholes: readonly Disk[], name: string | null): ShownPartitions[] {
  const found = wholes.filter(({ config }) => name === null || config.name === name);
  if (found.length === 0) {
    if (name === null) return [];
    const names = wholes.map(({ config }) => config.name).join(', ') || 'none';
    throw refuse(`${name}: there is no such image; images: ${names}`, 'ENOENT');
  }
  const partitions = found.flatMap(({ image }) => image.partitions ?? []);
  if (partitions.length > 0) return partitions;
  throw refuse('partitions are not shown: mounted with --no-partitions', 'EOPNOTSUPP');
}

function partitionOf(disk: Disk): PartitionSnapshot {
  const { name, start } = disk.config;
  const { type, name: label } = disk.partition!;
  return { name, start, size: diskSize(disk), type, label };
}
