import { Control, type ImageSnapshot, type PartitionSnapshot } from '../control/control.js';
import type { News } from '../control/figures.js';
import { setUpGroups } from '../control/set-up-groups.js';
import type { DriverIo } from '../image/driver.js';
import type { ImageConfig } from '../image/image-config.js';
import { makeDriver } from '../image/make-driver.js';
import { idOf } from '../sys/id-names.js';
import * as proc from '../sys/proc.js';
import { Counters } from '../throttle/stats.js';
import { Throttle } from '../throttle/throttle.js';
import { ControlTree, type Reread } from '../tree/control-tree.js';
import { Tree } from '../tree/tree.js';
import { refuse } from '../util/errors.js';
import {
  type Disk,
  diskSize,
  isPassedThrough,
  type ServedImage,
  type ShownPartitions,
} from './disk.js';
import { FlushLosses } from './flush-losses.js';
import { ImagePartitions } from './image-partitions.js';
import { Members } from './members.js';
import type { PlaneConfig } from './messages.js';
import { Plane } from './plane.js';
import { LockTable, RangeLocks } from './range-locks.js';
import { NONE } from './requests.js';
import type { Callers } from './rules.js';
import { TableNews } from './table-news.js';

/** Devices that weights share one by one: each has its own tables of all groups and members. */
const DEVICES_MAX = 16;

/** The configuration of a data plane. */
export type AssemblyConfig = Pick<
  PlaneConfig,
  'disks' | 'groups' | 'assignments' | 'about' | 'depth'
> & {
  /** The transport does not tell the caller of a request. */
  hidesCallers?: boolean;
};

/** A data plane without transport and loop, and what it shows. */
export interface Assembly {
  readonly plane: Plane;
  readonly throttle: Throttle;
  readonly disks: readonly Disk[];
  readonly tree: Tree;
}

/** Objects that all drivers share, and what tells about callers; missing: /proc. */
type CommonIo = Pick<DriverIo, 'engine' | 'memory' | 'inflateCalls'> & { callers?: Callers };

/** Where a data plane reports to. */
interface Reports {
  /** Called with the reasons of refused changes. */
  info: (text: string) => void;
  /** Called with each warning of the throttle, and about the host. */
  warn: (text: string) => void;
  /** Called with news for a FigureReader. */
  figures?: (news: News) => void;
}

/**
 * Puts together the parts of a data plane that are the same for every transport and engine.
 *
 * @param io The files of all images are handed to its engine.
 * @throws SluiceError naming the option of the mount that is at fault.
 */
export function assemble(
  config: AssemblyConfig,
  io: CommonIo,
  { info, warn, figures }: Reports,
): Assembly {
  const devices = devicesOf(config);
  const counters = new Counters(figures);
  const { requests, inFlight } = io.memory.capacity;
  const throttle = new Throttle(requests, inFlight, counters, devices.length);
  const callers = io.callers ?? { ...proc, idOf };
  const members = new Members(throttle, callers, config.hidesCallers);
  const tree = new Tree();
  const tableNews = new TableNews(warn);
  const disks = makeDisks(config, devices, members, new LockTable(requests), (isOf) => ({
    ...io,
    resume: (request) => plane.completed(request, 0),
    slotOf: (request) => plane.slotOf(request),
    watch: () => plane.requests.watch(isOf),
  }));
  const { engine, memory } = io;
  const { isBeingKilled } = callers;
  const wholes = disks.slice();
  const parts = { memory, disks, throttle, members, engine, isBeingKilled, warn, tableNews };
  const plane = new Plane(parts);
  const control = new Control(
    throttle,
    members,
    () => plane.nowNs,
    {
      images: () => wholes.map(snapshotOf),
      partitions: () =>
        wholes.flatMap(({ image }) => image.partitions?.disks ?? []).map(partitionOf),
    },
    (group, settings) => figures?.({ kind: 'settings', group, settings }),
  );
  for (const [index, disk] of config.disks.entries()) {
    tree.addDisk(tree.root, `${disk.name}.raw`, index);
  }
  const shared = { disks, tree, members, memory, news: tableNews };
  for (const disk of wholes) {
    const { partitions: found } = disk.config;
    if (found === undefined) continue;
    const slotOf = (request: number): number => plane.slotOf(request);
    const now = (): number => plane.nowNs;
    disk.image.partitions = new ImagePartitions(disk, found, { ...shared, slotOf, now });
  }
  setUpGroups(config, control);
  const reread: Reread = (request, name, result) =>
    plane.reread(request, chosen(wholes, name), result);
  new ControlTree(tree, control, config.about, reread, info);
  return { plane, throttle, disks, tree };
}

/** @throws SluiceError ENOENT, EOPNOTSUPP for an image whose partitions are not shown */
function chosen(wholes: readonly Disk[], name: string | null): ShownPartitions[] {
  const found = wholes.filter(({ config }) => name === null || config.name === name);
  if (found.length === 0) {
    const names = wholes.map(({ config }) => config.name).join(', ');
    throw refuse(`${name}: there is no such image; images: ${names}`, 'ENOENT');
  }
  const partitions = found.flatMap(({ image }) => image.partitions ?? []);
  if (partitions.length > 0) return partitions;
  throw refuse('partitions are not shown: mounted with --no-partitions', 'EOPNOTSUPP');
}

function partitionOf({ config, partition }: Disk): PartitionSnapshot {
  const { type, name: label } = partition!;
  return { name: config.name, start: config.start, size: config.length!, type, label };
}

/** The devices of the images, as far as each has a share of its own. */
function devicesOf({ disks }: AssemblyConfig): number[] {
  const devices = [...new Set(disks.map(({ device }) => device))].slice(0, DEVICES_MAX);
  return devices.length === 0 ? [0] : devices;
}

function snapshotOf(disk: Disk): ImageSnapshot {
  if (isPassedThrough(disk)) refreshNow(disk.image);
  const { name, path, format, readOnly } = disk.config;
  const size = diskSize(disk);
  return { name, path, format, size, readOnly, passthrough: isPassedThrough(disk) };
}

/** Asks the host for the status of an image. The ring's engine, which alone passes images through, answers at once. */
function refreshNow({ driver, status }: ServedImage): void {
  const task = driver.status(NONE, status);
  for (let step = task.next(0); step.done !== true; ) step = task.next(step.value);
}

/** Makes the io of an image, given a function that tells its disks by their numbers. */
type IoOf = (isOf: (disk: number) => boolean) => DriverIo;

/** Disks that show parts of one image share all that is the image's. */
function makeDisks(
  config: AssemblyConfig,
  devices: readonly number[],
  members: Members,
  table: LockTable,
  ioOf: IoOf,
): Disk[] {
  const images = new Map<ImageConfig, ServedImage>();
  const written = new Set(config.disks.filter((one) => !one.readOnly).map((one) => one.image));
  const disks: Disk[] = [];
  for (const disk of config.disks) {
    const { name, allocated, times } = disk;
    let image = images.get(disk.image);
    if (image === undefined) {
      const made: ServedImage = {
        name,
        readOnly: !written.has(disk.image),
        driver: makeDriver(
          disk.image,
          ioOf((index) => disks[index]?.image === made),
        ),
        locks: new RangeLocks(table),
        losses: new FlushLosses(),
        dirty: false,
        writes: 0,
        partitions: null,
        status: { allocated, times, size: 0 },
      };
      image = made;
      images.set(disk.image, made);
    }
    const member = disk.backing === undefined ? members.addImage(name) : members.addPassed(name);
    // Devices beyond the list count as the last one.
    const at = devices.indexOf(disk.device);
    const device = at === -1 ? devices.length - 1 : at;
    const counts = { opens: 0, writes: 0, seen: null };
    disks.push({ config: disk, image, partition: null, member, device, ...counts });
  }
  return disks;
}
