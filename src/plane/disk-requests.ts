import { MAX_IO_BYTES, TIMES_BYTES, timesOffset } from '../buffers/memory.js';
import { PENDING, type Task } from '../host/engine.js';
import { FALLOC_KEEP_SIZE, SEEK_DATA } from '../sys/constants.js';
import { assert } from '../util/assert.js';
import { ERRNO } from '../util/errno.js';
import { SIZE_MAX } from '../util/units.js';
import {
  type Disk,
  diskSize,
  isPassedThrough,
  noteChange,
  noteChanged,
  type ServedImage,
  type ShownPartitions,
} from './disk.js';
import type { ImageFaults } from './fault-filter.js';
import * as operation from './operation.js';
import type { Parts } from './parts.js';
import { passedThrough } from './passed-through.js';
import { lockRange } from './range-locks.js';
import { NONE } from './requests.js';
import { DEFERRED } from './transport.js';

/** Starts operations that have passed their checks. */
export interface Admission {
  /** Charges a request and starts it, or lets it wait. Returns DEFERRED. */
  admit(request: number): number;
  /** Runs a task that no group holds back: metadata and flushes are not charged. Returns DEFERRED. */
  runUncharged(request: number, task: Task): number;
  /** The same for a task that needs a slot. */
  runWithSlot(request: number, task: Task): number;
  /** True: a fault that the user wants has failed the request, or holds it up. */
  strikes(request: number, faults: ImageFaults): boolean;
}

type RequestParts = Pick<Parts, 'requests' | 'disks' | 'granted' | 'memory'>;

/**
 * Checks each operation against size and mode of its disk, then hands it on: reads, writes and discards
 * to be charged, others as tasks. The kernel sends no READ and no WRITE of a disk that is passed through.
 * A disk that cannot grow behaves as a block device does: O_TRUNC is ignored, truncate(2) refused. One
 * that cannot shrink ignores O_TRUNC too.
 */
export class DiskRequests {
  readonly #parts: RequestParts;
  readonly #admission: Admission;
  /** The last handle of an open disk that was given out, from 1; 0 if there was none. */
  newestHandle = 0;
  /** Opens, closes and losses. Another process that goes on must know of them before a reply tells of them. */
  changes = 0;

  constructor(parts: RequestParts, admission: Admission) {
    this.#parts = parts;
    this.#admission = admission;
  }

  /** Begins the operation of a request: its result, or DEFERRED. */
  begin(request: number): number {
    const { offset, mode, length, operation: asked } = this.#parts.requests;
    switch (asked[request]) {
      case operation.READ:
        return this.#read(request, offset[request]!, length[request]!);
      case operation.WRITE:
        return this.#write(request, offset[request]!, length[request]!);
      case operation.ALLOCATE:
        return this.#allocate(request, mode[request]!, offset[request]!, length[request]!);
      case operation.FLUSH:
        return this.#flush(request);
      case operation.SEEK:
        return this.#seek(request, offset[request]!, mode[request]!);
      case operation.RESIZE:
        return this.#resize(request, length[request]!);
      case operation.SET_TIMES:
        return this.#setTimes(request);
      case operation.OPEN:
        return this.#open(request, mode[request]!);
      case operation.CLOSE:
        return this.#close(request);
      case operation.REFRESH:
        return this.#admission.runUncharged(request, this.#refresh(request));
      default:
        assert(asked[request] === operation.REFRESH_ALL, `no operation ${asked[request]}`);
        return this.#admission.runUncharged(request, this.#refreshAll(request));
    }
  }

  #passed(request: number, { image }: Disk): number {
    const { requests } = this.#parts;
    const task = passedThrough(request, requests.operation[request]!, requests, image);
    return this.#admission.runUncharged(request, task);
  }

  #disk(request: number): Disk {
    const { requests, disks } = this.#parts;
    return disks[requests.disk[request]!]!;
  }

  #read(request: number, offset: number, length: number): number {
    const disk = this.#disk(request);
    if (isPassedThrough(disk)) return -ERRNO.EIO;
    const size = diskSize(disk);
    assert(length <= MAX_IO_BYTES, 'the kernel keeps to max_read');
    if (offset >= size || length === 0) return 0;
    this.#parts.requests.length[request] = Math.min(length, size - offset);
    return this.#admission.admit(request);
  }

  #write(request: number, offset: number, length: number): number {
    const disk = this.#disk(request);
    if (isPassedThrough(disk)) return -ERRNO.EIO;
    const { config } = disk;
    const size = diskSize(disk);
    if (config.readOnly) return -ERRNO.EROFS;
    if (length === 0) return 0;
    if (!config.growable && offset >= size) return -ERRNO.ENOSPC;
    if (offset >= SIZE_MAX) return -ERRNO.EFBIG;
    const end = config.growable ? SIZE_MAX : size;
    this.#parts.requests.length[request] = Math.min(length, end - offset);
    return this.#admission.admit(request);
  }

  #allocate(request: number, mode: number, offset: number, length: number): number {
    const disk = this.#disk(request);
    if (isPassedThrough(disk)) return this.#passed(request, disk);
    const { config } = disk;
    const size = diskSize(disk);
    if (config.readOnly) return -ERRNO.EROFS;
    const keepsSize = (mode & FALLOC_KEEP_SIZE) !== 0;
    if (!keepsSize && !config.growable && offset + length > size) return -ERRNO.ENOSPC;
    if (!keepsSize && offset + length > SIZE_MAX) return -ERRNO.EFBIG;
    const bytes = keepsSize ? Math.min(length, size - offset) : length;
    if (bytes <= 0) return 0;
    this.#parts.requests.length[request] = bytes;
    return this.#admission.admit(request);
  }

  /** fallocate(2) of an admitted request: zeroes, discards, sets room aside. */
  *allocate(request: number): Task {
    const { requests } = this.#parts;
    const disk = this.#disk(request);
    const { image, config } = disk;
    const start = config.start + requests.offset[request]!;
    const length = requests.length[request]!;
    const mode = requests.mode[request]!;
    const isLocked = yield* this.#lock(request, image, start, start + length);
    noteChange(disk);
    const result = yield* image.driver.allocate(request, mode, start, length);
    noteChanged(image);
    image.partitions?.watch.wrote(start, start + length);
    if (isLocked === 1) image.locks.end(request, this.#parts.granted);
    return result;
  }

  #flush(request: number): number {
    const { image, config } = this.#disk(request);
    if (config.readOnly) return 0;
    const { faults } = image;
    if (faults !== null && this.#admission.strikes(request, faults)) return DEFERRED;
    return this.flush(request);
  }

  /** fsync(2) of a disk that can be written, which no fault holds up. Returns DEFERRED. */
  flush(request: number): number {
    const { mode, handle } = this.#parts.requests;
    const { image } = this.#disk(request);
    const task = this.#flushImage(request, image, mode[request] === 1, handle[request]!);
    if (image.partitions?.watch.isStale !== true) {
      return this.#admission.runUncharged(request, task);
    }
    const both = this.#thenReread(request, image.partitions, task);
    return this.#admission.runWithSlot(request, both);
  }

  /** So that the partitions are right when the caller, sfdisk for instance, goes on. */
  *#thenReread(request: number, partitions: ShownPartitions, flush: Task): Task {
    const result = yield* flush;
    yield* partitions.reread(request);
    return result;
  }

  /** fsync, or fdatasync if `dataOnly`. */
  *#flushImage(request: number, image: ServedImage, dataOnly: boolean, handle: number): Task {
    const { driver, losses } = image;
    // Cleared before, not after: a write that comes or ends meanwhile needs the next flush.
    image.dirty = false;
    const result = yield* driver.flush(request, dataOnly);
    this.#noteFlush(image, result, result < 0 ? handle : NONE);
    return result < 0 ? result : losses.report(handle);
  }

  /** A flush of the image has ended. @param told The handle that gets its error with it. */
  #noteFlush(image: ServedImage, result: number, told: number): void {
    if (result < 0) image.dirty = true;
    const loss = image.driver.takeLoss();
    if (loss === 0) return;
    image.losses.add(loss, this.newestHandle, told);
    this.changes++;
  }

  #seek(request: number, offset: number, whence: number): number {
    const disk = this.#disk(request);
    if (isPassedThrough(disk)) return this.#passed(request, disk);
    if (offset >= diskSize(disk)) return -ERRNO.ENXIO;
    return this.#admission.runUncharged(request, this.#find(request, disk, offset, whence));
  }

  /** SEEK_DATA and SEEK_HOLE. A part of an image ends in a hole, as every file does. */
  *#find(request: number, disk: Disk, offset: number, whence: number): Task {
    const { start } = disk.config;
    const found = yield* disk.image.driver.seek(request, start + offset, whence);
    if (found < 0) return found;
    const size = diskSize(disk);
    if (found - start < size) return found - start;
    return whence === SEEK_DATA ? -ERRNO.ENXIO : size;
  }

  #resize(request: number, size: number): number {
    const disk = this.#disk(request);
    if (isPassedThrough(disk)) return this.#passed(request, disk);
    const { config } = disk;
    if (config.readOnly) return -ERRNO.EROFS;
    if (size === diskSize(disk)) return 0;
    if (!config.growable) return -ERRNO.EPERM;
    if (size > SIZE_MAX) return -ERRNO.EFBIG;
    return this.#admission.runUncharged(request, this.resizeImage(request, disk, size));
  }

  /**
   * truncate(2) of a disk that can have another size.
   *
   * @param grows It does not become shorter: a write may have made it longer than that by now.
   */
  *resizeImage(request: number, disk: Disk, size: number, grows = false): Task {
    const { image } = disk;
    const isLocked = yield* this.#lock(request, image, size, Number.POSITIVE_INFINITY);
    noteChange(disk);
    if (image.partitions !== null) image.partitions.watch.isStale = true;
    const result = yield* grows
      ? growDriver(request, disk, size)
      : image.driver.resize(request, size);
    noteChanged(image);
    if (isLocked === 1) image.locks.end(request, this.#parts.granted);
    return result;
  }

  /** Leaves the file of an image as after a clean end. What would change the image waits. 0 or -errno. */
  *closeImage(request: number, image: ServedImage): Task {
    const { driver, dirty } = image;
    const isLocked = yield* this.#lock(request, image, 0, Number.POSITIVE_INFINITY);
    image.dirty = false;
    const result = yield* driver.close(request, dirty);
    // Nobody has been told yet.
    this.#noteFlush(image, result, NONE);
    if (isLocked === 1) image.locks.end(request, this.#parts.granted);
    return result;
  }

  #setTimes(request: number): number {
    const { image, config } = this.#disk(request);
    if (config.readOnly) return -ERRNO.EROFS;
    const at = timesOffset(request);
    const times = this.#parts.memory.bytes.slice(at, at + TIMES_BYTES);
    return this.#admission.runUncharged(request, this.#setImageTimes(request, image, times));
  }

  /**
   * futimens(2) of the host file. Metadata that is still in memory is written before: to write it later
   * would change the time again.
   */
  *#setImageTimes(request: number, image: ServedImage, times: Uint8Array): Task {
    const isLate = image.driver.delaysMetadata && image.dirty;
    const flushed = isLate ? yield* this.#flushImage(request, image, true, NONE) : 0;
    if (flushed < 0) return flushed;
    const result = yield* image.driver.setTimes(request, times);
    return result < 0 ? result : yield* this.#refresh(request);
  }

  #open(request: number, mode: number): number {
    const { requests } = this.#parts;
    const disk = this.#disk(request);
    const { config, image } = disk;
    if ((mode & operation.FOR_WRITING) !== 0 && config.readOnly) return -ERRNO.EROFS;
    requests.handle[request] = ++this.newestHandle;
    disk.opens++;
    this.changes++;
    const shrinks = config.growable && image.driver.shrinks;
    const truncates = shrinks && (mode & operation.TRUNCATE) !== 0 && diskSize(disk) > 0;
    if (!truncates && (mode & operation.LOOK) === 0) return 0;
    const task = truncates ? this.#cut(request, disk) : this.#look(request);
    disk.pendingOpens++;
    return this.#admission.runUncharged(request, this.#opened(disk, task));
  }

  /** O_TRUNC of a growable disk. */
  #cut(request: number, disk: Disk): Task {
    if (!isPassedThrough(disk)) return this.resizeImage(request, disk, 0);
    const { requests } = this.#parts;
    requests.length[request] = 0;
    return passedThrough(request, operation.RESIZE, requests, disk.image);
  }

  /** An open that fails is followed by no close. */
  *#opened(disk: Disk, task: Task): Task {
    const result = yield* task;
    if (result < 0) disk.opens--;
    disk.pendingOpens--;
    this.changes++;
    return result;
  }

  #close(request: number): number {
    const disk = this.#disk(request);
    const { partitions, losses } = disk.image;
    losses.closed(this.#parts.requests.handle[request]!);
    // There is none of an image that went and came again.
    disk.opens = Math.max(0, disk.opens - 1);
    this.changes++;
    if (partitions?.isWantedAfter(disk) !== true) return 0;
    disk.pendingOpens--;
    return this.#admission.runWithSlot(request, this.#closed(disk, partitions.reread(request)));
  }

  *#closed(disk: Disk, task: Task): Task {
    const result = yield* task;
    disk.pendingOpens++;
    this.changes++;
    return result;
  }

  /**
   * A disk is opened: 1 if the kernel's pages of it are still right. The kernel knows of writes that came
   * through this disk; where there were none, a new time of the host file is somebody else's write. Of
   * writes through another disk of the same image it knows nothing.
   */
  *#look(request: number): Task {
    const disk = this.#disk(request);
    const result = yield* this.#refresh(request);
    if (result < 0) return result;
    const { seen, image, writes: own } = disk;
    const { modified } = image.status.times;
    const others = image.writes - own;
    disk.seen = { modified, own, others };
    if (seen === null || seen.others !== others) return 0;
    const isSame =
      seen.modified.seconds === modified.seconds &&
      seen.modified.nanoseconds === modified.nanoseconds;
    return isSame || seen.own !== own ? 1 : 0;
  }

  /** Asks the host how much room the disk takes, and when it was written. */
  #refresh(request: number): Task {
    const { image } = this.#disk(request);
    return image.driver.status(request, image.status);
  }

  *#refreshAll(request: number): Task {
    for (const disk of this.#parts.disks) {
      if (disk === undefined || disk.partition !== null) continue;
      const { image } = disk;
      const result = yield* image.driver.status(request, image.status);
      if (result < 0) return result;
    }
    return 0;
  }

  /**
   * Locks the lock units of bytes `start` to `end`, so that no other write keeps a part of a unit and
   * brings back the bytes that the task removes. 1 if there is a lock to give up, 0 if none is
   * needed.
   */
  *#lock(request: number, image: ServedImage, start: number, end: number): Task {
    if (image.driver.lockUnit === 1) return 0;
    if (!lockRange(image, request, start, end, true)) yield PENDING;
    return 1;
  }
}

/** Where writes are locked they have ended by now, and one of them may have made the image longer than `size`. */
function* growDriver(request: number, { image, config }: Disk, size: number): Task {
  const { driver } = image;
  const result = driver.grow === undefined ? -ERRNO.EOPNOTSUPP : yield* driver.grow(request, size);
  // No write makes it longer meanwhile.
  const isAlone = driver.grow === undefined || !config.growable;
  if (result !== -ERRNO.EOPNOTSUPP || !isAlone) return result;
  return driver.size >= size ? 0 : yield* driver.resize(request, size);
}
