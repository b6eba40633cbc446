import { isDeepStrictEqual } from 'node:util';
import { isShown, type Partition } from '../partitions/table.js';
import type { Throttle, ThrottleState } from '../throttle/throttle.js';
import type { NodeIds, Tree } from '../tree/tree.js';
import { EXIT_FAILED, SluiceError } from '../util/errors.js';
import type { Disk, DiskConfig, ServedImage } from './disk.js';
import type { LossState } from './flush-losses.js';
import type { LiveImages } from './live-images.js';
import type { Plane } from './plane.js';

/** What a data plane takes along to another process that goes on with its mount. Plain data. */
export interface PlaneState extends OpenState, OwedState {
  nodes: NodeIds;
  /** The process before has died: it may have done more than this tells. */
  hasDied?: true;
}

/** What is open. */
export interface OpenState {
  /** The last handle of an open disk. */
  newestHandle: number;
  images: ImageState[];
}

/** What groups owe, and the figures. */
export interface OwedState {
  throttle: ThrottleState;
  /** CLOCK_MONOTONIC, of which all processes have the same, ns. What groups owed then becomes less with time. */
  atNs: number;
  /** For so long after that requests may have been let go of which this does not tell, ns. Missing: none was. */
  unseenNs?: number;
}

interface ImageState {
  name: string;
  dirty: boolean;
  losses: LossState;
  /** Open handles by the names of its disks, where there are any. */
  opens: [disk: string, opens: number][];
  /** Null: none are shown. A partition that is open keeps its place, whatever the table says. */
  partitions: Partition[] | null;
}

/** The parts of a data plane that have a state of their own. */
export interface Stateful {
  plane: Plane;
  throttle: Throttle;
  tree: Tree;
  images: LiveImages;
  /** CLOCK_MONOTONIC, ns. Missing: the kernel's. */
  monotonicNs?: (() => number) | undefined;
}

/**
 * Writes the metadata of all images that keep some in memory: their files are as after a clean end then. Nothing else may
 * be under way when it begins. If the mount goes on before the end, what would change such an image waits.
 *
 * @param ended Called with the names of the images that could not be written, and why, when all is done.
 */
export function closeImages(
  { plane, images }: Pick<Stateful, 'plane' | 'images'>,
  ended: (failed: readonly Unclosed[]) => void,
): void {
  const late = images.wholes.map(({ image }) => image).filter(isLate);
  const failed: Unclosed[] = [];
  let left = late.length;
  if (left === 0) ended(failed);
  for (const image of late) {
    plane.own.start(
      image,
      (request) => plane.asked.closeImage(request, image),
      (result) => {
        if (result < 0) failed.push({ name: image.name, errno: -result });
        if (--left === 0) ended(failed);
      },
    );
  }
}

export interface Unclosed {
  name: string;
  /** Positive. */
  errno: number;
}

function isLate({ readOnly, driver }: ServedImage): boolean {
  return !readOnly && driver.delaysMetadata;
}

export function carryOut(parts: Stateful): PlaneState {
  return { nodes: parts.tree.nodeIds, ...openState(parts), ...owedState(parts) };
}

export function openState({ plane, images }: Pick<Stateful, 'plane' | 'images'>): OpenState {
  return { newestHandle: plane.asked.newestHandle, images: images.all.map(stateOf) };
}

export function owedState(parts: Stateful): OwedState {
  const { plane, throttle } = parts;
  return { throttle: throttle.carryOut(plane.nowNs), atNs: monotonicNs(parts) };
}

function stateOf(whole: Disk): ImageState {
  const { name, dirty, losses } = whole.image;
  const opens = disksOf(whole).flatMap((disk): [string, number][] => {
    // What is not answered is asked for again.
    const count = disk.opens - disk.pendingOpens;
    return count > 0 ? [[disk.config.name, count]] : [];
  });
  const shown = whole.image.partitions?.disks.map(({ partition, config: { start, length } }) => {
    return { ...partition!, start, size: length! };
  });
  return { name, dirty, losses: losses.carryOut(), opens, partitions: shown ?? null };
}

/** The image as it is for a plane that goes on: with the partitions that the one before has shown. */
export function asBefore(disk: DiskConfig, { images }: PlaneState): DiskConfig {
  const found = disk.partitions;
  const shown = images.find(({ name }) => name === disk.name)?.partitions ?? null;
  if (found === undefined || shown === null) return disk;
  // One behind the end of the image is not shown: then the table is read once more.
  const now = found.table?.partitions.filter((one) => isShown(one, Infinity)) ?? [];
  return isDeepStrictEqual(now, shown) ? disk : { ...disk, partitions: { ...found, shown } };
}

function disksOf(whole: Disk): Disk[] {
  return [whole, ...(whole.image.partitions?.disks ?? [])];
}

/**
 * Goes on where another data plane has stopped. Images and groups are those that it had.
 *
 * @param nowNs The time of the plane's clock.
 * @throws SluiceError ESTALE if a file that is open is not there
 */
export function carryIn(parts: Stateful, state: PlaneState, nowNs: number): void {
  const { plane, throttle, tree, images } = parts;
  const wholes = new Map(images.wholes.map((whole) => [whole.image.name, whole]));
  for (const { name, dirty, losses, opens } of state.images) {
    const whole = wholes.get(name);
    if (whole === undefined) {
      // After a death no other process can serve the files that are there.
      if (opens.length > 0 && state.hasDied === undefined) throw gone(name);
      continue;
    }
    whole.image.dirty = dirty;
    whole.image.losses.carryIn(losses);
    const disks = new Map(disksOf(whole).map((disk) => [disk.config.name, disk]));
    for (const [disk, count] of opens) {
      const found = disks.get(disk);
      if (found === undefined) throw gone(disk);
      found.opens = count;
    }
  }
  tree.renumber(state.nodes);
  plane.asked.newestHandle = state.newestHandle;
  const then = nowNs - (monotonicNs(parts) - state.atNs);
  throttle.carryIn(state.throttle, then, state.unseenNs ?? 0);
}

function gone(name: string): SluiceError {
  return new SluiceError(`${name}.raw is open, and is not there any more`, 'ESTALE', EXIT_FAILED);
}

function monotonicNs({ monotonicNs: simulated }: Stateful): number {
  return simulated?.() ?? Number(process.hrtime.bigint());
}
