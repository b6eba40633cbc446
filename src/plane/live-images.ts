import type { ImageSnapshot } from '../control/control.js';
import type { Faults } from '../control/faults.js';
import type { EngineFile, Task } from '../host/engine.js';
import { closeExports } from '../host/host-engines.js';
import { runNow } from '../host/sync-engine.js';
import type { DriverIo } from '../image/driver.js';
import { SECTOR_BYTES } from '../image/extent.js';
import { makeDriver } from '../image/make-driver.js';
import { Mappings } from '../image/mappings.js';
import type { DiskNode, Tree } from '../tree/tree.js';
import { ERRNO } from '../util/errno.js';
import { EXIT_FAILED, refuse, SluiceError } from '../util/errors.js';
import type { DeviceSlots } from './device-slots.js';
import { type Disk, type DiskConfig, diskSize, isPassedThrough, type ServedImage } from './disk.js';
import type { DiskTable } from './disk-table.js';
import { ImageFaults } from './fault-filter.js';
import { FlushLosses } from './flush-losses.js';
import { ImagePartitions, type PartitionsIo } from './image-partitions.js';
import type { Flushed } from './last-flush.js';
import type { Members } from './members.js';
import type { Plane } from './plane.js';
import { type LockTable, RangeLocks } from './range-locks.js';
import { DISPATCHING, NONE } from './requests.js';
import type { TableNews } from './table-news.js';

const OTHER_NAME = 'give one of them another name with NAME=IMAGE';

/** Objects that all drivers share. */
export interface CommonIo extends Pick<DriverIo, 'engine' | 'memory' | 'inflateCalls'> {
  /** Makes the mappings of an image; missing: memory of the system. */
  newMappings?: () => Mappings;
}

/** The objects that images share. */
export interface LiveImagesParts {
  readonly table: DiskTable;
  readonly tree: Tree;
  readonly members: Members;
  readonly locks: LockTable;
  readonly devices: DeviceSlots;
  readonly news: TableNews;
  readonly io: CommonIo;
  /** Is asked for when the first image has come. */
  readonly plane: () => Plane;
  /** Called with the number of each disk of an image that goes. */
  readonly gone: (disk: number) => void;
}

/** Makes something, or gives back what it would have had. */
function orGiveBack<T>(giveBack: () => void, make: () => T): T {
  try {
    return make();
  } catch (error) {
    giveBack();
    throw error;
  }
}

/** A whole image of the mount. */
interface Shown {
  readonly disk: Disk;
  readonly number: number;
  readonly node: DiskNode;
  isLeaving: boolean;
}

/** Called when a detach has ended. */
export type Detached = (flushed: Flushed) => void;

interface Departure {
  shown: Shown;
  /** No request for it is under way, and none can begin. */
  isQuiet: () => boolean;
  force: boolean;
  detached: Detached;
}

/**
 * The images of a mount, which come and go while it is served. An image that goes takes no request any more,
 * waits for those under way, is flushed, and gives everything back: numbers, members, locks, memory, files.
 */
export class LiveImages {
  readonly #parts: LiveImagesParts;
  /** By name, in the order in which they came. */
  readonly #shown = new Map<string, Shown>();
  readonly #departures = new Set<Departure>();

  constructor(parts: LiveImagesParts) {
    this.#parts = parts;
  }

  /** The whole images. */
  get wholes(): Disk[] {
    return [...this.#shown.values()].filter((one) => !one.isLeaving).map(({ disk }) => disk);
  }

  readonly snapshotOf = (disk: Disk): ImageSnapshot => {
    const { driver, status } = disk.image;
    // The ring's engine, which alone passes images through, answers at once.
    if (isPassedThrough(disk)) runNow(driver.status(NONE, status));
    const { name, path, format, readOnly } = disk.config;
    const size = diskSize(disk);
    const faults = disk.image.faults?.snapshot() ?? null;
    const { engine } = this.#parts.io;
    const cache = disk.image.files.map((file) => engine.cacheOf?.(file)).find((one) => one);
    return {
      ...{ name, path, format, size, readOnly, passthrough: isPassedThrough(disk), faults },
      ...(cache && { cache }),
    };
  };

  /** With those that are being detached: they may stay. */
  get all(): Disk[] {
    return Array.from(this.#shown.values(), ({ disk }) => disk);
  }

  /**
   * An image comes. Its files are open, and stay so until it has gone.
   *
   * @throws SluiceError EEXIST, exit code 2: there is a file of this name. ENOMEM, exit code 1. Nothing is changed then.
   */
  add(config: DiskConfig): Disk {
    const { tree, members, devices, table } = this.#parts;
    const { name } = config;
    try {
      this.#checkName(config);
    } catch (error) {
      closeExports(config.image.files);
      throw error;
    }
    const image = this.#imageOf(config);
    if (!config.readOnly) image.readOnly = false;
    const member = config.backing === undefined ? members.addImage(name) : members.addPassed(name);
    const device = devices.take(config.device);
    const counts = { opens: 0, pendingOpens: 0, writes: 0, seen: null };
    const disk = { config, image, partition: null, member, device, ...counts };
    const number = table.add(disk);
    const node = tree.addDisk(tree.root, `${name}.raw`, number);
    this.#shown.set(name, { disk, number, node, isLeaving: false });
    return disk;
  }

  /** Shows the partitions of an image that has been added. */
  showPartitions(disk: Disk): void {
    const found = disk.config.partitions;
    if (found === undefined) return;
    const { table, tree, members, news, io, plane } = this.#parts;
    const shared: PartitionsIo = {
      ...{ table, tree, members, news, memory: io.memory },
      slotOf: (request) => plane().slotOf(request),
      now: () => plane().nowNs,
    };
    disk.image.partitions = new ImagePartitions(disk, found, shared);
  }

  /** An image that has been added, and that no request has reached yet, does not come after all. */
  undo({ config }: Disk): void {
    this.#drop(this.#shown.get(config.name)!);
  }

  /**
   * An image goes. `detached` is called when it has gone; or, with `failed` and without `force`, when it stays because it
   * could not be flushed.
   *
   * @param force Although files of it are open: who has them open gets errors, and requests that wait in
   *   groups go on without limits.
   * @throws SluiceError ENOENT, exit code 2: there is no such image. EBUSY, exit code 1: a file of it is open.
   */
  detach(name: string, force: boolean, detached: Detached): void {
    const shown = this.find(name);
    const { disk } = shown;
    const other = this.wholes.find((one) => one !== disk && one.image === disk.image);
    if (other !== undefined) throw busy(`${other.config.name} shows a part of the same image`);
    const open = this.#disksOf(shown).find(({ opens }) => opens > 0);
    if (open !== undefined && !force) {
      throw busy(`${open.config.name}.raw is open; close it`);
    }
    shown.isLeaving = true;
    this.#refuse(shown, -ERRNO.EBUSY);
    const plane = this.#parts.plane();
    const isOf = this.#isOf(disk.image);
    if (force) plane.hurry(isOf);
    const isEnded = plane.requests.watch(isOf, DISPATCHING);
    // A hand-over that was given up may still be closing the image.
    const isQuiet = (): boolean =>
      isEnded() && !plane.own.isAt(disk.image) && disk.image.partitions?.isReading !== true;
    this.#departures.add({ shown, isQuiet, force, detached });
  }

  /**
   * An image becomes longer. `resized` is called with 0 or -errno.
   *
   * @param size Bytes; null: as its file has it.
   * @param hostSize That of its file, which somebody else may have made longer.
   * @throws SluiceError ENOENT, EINVAL, exit code 2; EBUSY, EROFS, exit code 1. Nothing is changed then.
   */
  resize(
    name: string,
    size: number | null,
    hostSize: number,
    resized: (result: number) => void,
  ): void {
    const { disk } = this.find(name);
    const { driver } = disk.image;
    checkSize(disk, size, hostSize);
    driver.hostGrew(hostSize);
    const { partitions } = disk.image;
    // A partition that was behind the end may be there now.
    if (partitions !== null) partitions.watch.isStale = true;
    if (size === null || size <= driver.size) {
      resized(0);
      return;
    }
    const plane = this.#parts.plane();
    const task = (request: number): Task => plane.asked.resizeImage(request, disk, size, true);
    plane.own.start(disk.image, task, resized);
  }

  /**
   * From now on an image has these faults, for requests that have not been carried out. Null: none.
   *
   * @throws SluiceError ENOENT, exit code 2; EBUSY, exit code 1: it is being detached; EOPNOTSUPP, exit code 2
   */
  setFaults(name: string, faults: Faults | null): void {
    const { disk } = this.find(name);
    if (isPassedThrough(disk)) {
      const why = 'is passed through: the kernel reads and writes it, so no fault can be made';
      throw refuse(`${name} ${why}; mount it without --passthrough`, 'EOPNOTSUPP');
    }
    disk.image.faults = faults && new ImageFaults(faults);
  }

  /** Nodes of an image and its partitions. */
  nodesOf(name: string): DiskNode[] {
    const shown = this.find(name);
    const files = this.#disksOf(shown).map(({ config }) => `${config.name}.raw`);
    return files.map((file) => this.#parts.tree.root.children.get(file) as DiskNode);
  }

  /** Call after each turn: images that go and have no request any more are flushed. */
  look(): void {
    for (const departure of this.#departures) {
      if (!departure.isQuiet()) continue;
      this.#departures.delete(departure);
      const ended = (flushed: Flushed): void => this.#flushed(departure, flushed);
      this.#parts.plane().lastFlush.startOf(departure.shown.disk.image, ended);
    }
  }

  /** @throws SluiceError ENOENT, exit code 2; EBUSY, exit code 1: it is being detached */
  find(name: string): Shown {
    const shown = this.#shown.get(name);
    if (shown === undefined) {
      const names = [...this.#shown.keys()].join(', ') || 'none';
      throw refuse(`${name}: there is no such image; images: ${names}`, 'ENOENT');
    }
    if (shown.isLeaving) throw busy(`${name} is being detached`);
    return shown;
  }

  #flushed({ shown, force, detached }: Departure, flushed: Flushed): void {
    const { isReceiving, lastFlush } = this.#parts.plane();
    if (flushed.failed !== 0 && !force) {
      shown.isLeaving = false;
      this.#refuse(shown, 0);
      // No other flush of it comes after that at the end of the mount.
      if (lastFlush.isStarted) lastFlush.note(shown.disk.config.name, flushed);
    } else {
      // The mount is ending, and the answer to the detach may not arrive: the end of the mount says what is lost, too.
      if (!isReceiving) lastFlush.note(shown.disk.config.name, flushed);
      this.#drop(shown);
    }
    detached(flushed);
  }

  /** Gives back what an image has. */
  #drop(shown: Shown): void {
    const { tree, table, members, devices, news, io, plane, gone } = this.#parts;
    const { disk, node, number } = shown;
    const { image, config } = disk;
    image.partitions?.close();
    tree.remove(node);
    table.remove(number);
    gone(number);
    this.#shown.delete(config.name);
    members.removeImage(config.name);
    devices.release(disk.device);
    news.forget(config.path);
    plane().hostErrors.forget(config.name);
    image.locks.release();
    for (const file of image.files) io.engine.remove(file);
    image.mappings.release();
  }

  #refuse({ node, disk }: Shown, errno: number): void {
    node.refusal = errno;
    disk.image.partitions?.refuse(errno);
  }

  #disksOf({ disk }: Shown): Disk[] {
    return [disk, ...(disk.image.partitions?.disks ?? [])];
  }

  #isOf(image: ServedImage): (number: number) => boolean {
    const { disks } = this.#parts.table;
    return (number) => disks[number]?.image === image;
  }

  /** Disks that show parts of one image share all that is the image's. */
  #imageOf({ name, image: config, faults, allocated, times }: DiskConfig): ServedImage {
    const known = this.wholes.find((disk) => disk.config.image === config);
    if (known !== undefined) return known.image;
    const { io, locks, plane } = this.#parts;
    const mappings = io.newMappings?.() ?? new Mappings();
    const files = this.#addFiles(config.files);
    const giveBack = (): void => {
      for (const file of files) io.engine.remove(file);
      mappings.release();
    };
    const driver = orGiveBack(giveBack, () =>
      makeDriver(config, files, {
        ...io,
        mappings,
        resume: (request) => plane().completed(request, 0),
        slotOf: (request) => plane().slotOf(request),
        watch: () => plane().requests.watch(this.#isOf(image)),
      }),
    );
    const image: ServedImage = {
      ...{
        name,
        driver,
        files,
        mappings,
        readOnly: true,
        dirty: false,
        writes: 0,
        partitions: null,
        faults: faults === undefined ? null : new ImageFaults(faults),
      },
      locks: new RangeLocks(locks),
      losses: new FlushLosses(),
      status: { allocated, times, size: 0 },
    };
    return image;
  }

  /** All of them, or none. The engine has their connections from then on, or nobody. */
  #addFiles(all: readonly EngineFile[]): number[] {
    const { engine } = this.#parts.io;
    const files: number[] = [];
    try {
      for (const file of all) files.push(engine.add(file));
      return files;
    } catch (error) {
      for (const file of files) engine.remove(file);
      closeExports(all.slice(files.length));
      throw error;
    }
  }

  #checkName({ name, path }: DiskConfig): void {
    const { tree, table } = this.#parts;
    const node = tree.root.children.get(`${name}.raw`);
    if (node?.kind !== 'disk') return;
    const { config, partition } = table.disks[node.disk]!;
    const what =
      partition === null
        ? `taken by ${config.path}`
        : `that of partition ${partition.number} of ${config.path}`;
    throw refuse(`${path}: the name "${name}" is ${what}; ${OTHER_NAME}`, 'EEXIST');
  }
}

/** Throws if an image cannot have this size. */
function checkSize({ config, image }: Disk, size: number | null, hostSize: number): void {
  const { path, readOnly } = config;
  const { driver } = image;
  const unit = Math.max(SECTOR_BYTES, driver.alignment);
  if (driver.shrinks && !readOnly && hostSize > driver.size && hostSize % driver.alignment !== 0) {
    const what = `${path} has ${hostSize} bytes now, no multiple of ${unit}`;
    throw refuse(`${what}; make it one, or detach it and attach it again`);
  }
  if (size === null) return;
  if (size < driver.size) throw refuse(`${path}: has ${driver.size} bytes already; it only grows`);
  if (size <= Math.max(driver.size, driver.shrinks ? hostSize : 0)) return;
  if (readOnly) throw new SluiceError(`${path}: is attached read-only`, 'EROFS', EXIT_FAILED);
  if (config.image.blockDevice && driver.shrinks) {
    throw refuse(`${path}: the device has ${hostSize} bytes; make it longer first`);
  }
  if (size % unit !== 0) throw refuse(`${path}: ${size} bytes are no multiple of ${unit}`);
}

function busy(what: string): SluiceError {
  return new SluiceError(what, 'EBUSY', EXIT_FAILED);
}
