import { PENDING, type Task } from '../host/engine.js';
import { SEEK_DATA } from '../sys/constants.js';
import { ERRNO } from '../util/errno.js';
import { type Disk, diskSize, type ServedImage } from './disk.js';
import type { Parts } from './parts.js';
import { lockRange } from './range-locks.js';
import { NONE } from './requests.js';

type OperationParts = Pick<Parts, 'requests' | 'disks' | 'granted'>;

/** Operations on disks besides reads and writes: each is a task. */
export class Operations {
  /** The last handle of an open disk that was given out, from 1; 0 if there was none. */
  newestHandle = 0;
  readonly #parts: OperationParts;

  constructor(parts: OperationParts) {
    this.#parts = parts;
  }

  /** fsync or fdatasync. */
  *flush(request: number, dataOnly: boolean, handle: number): Task {
    const { image } = this.#disk(request);
    const { losses } = image;
    // Cleared before, not after: a write that comes meanwhile needs the next flush.
    image.dirty = false;
    const result = yield* image.driver.flush(request, dataOnly);
    if (result < 0) image.dirty = true;
    const loss = image.driver.takeLoss();
    if (loss > 0) losses.add(loss, this.newestHandle, result < 0 ? handle : NONE);
    return result < 0 ? result : losses.report(handle);
  }

  /** fallocate(2): zeroes, discards, sets room aside. */
  *allocate(request: number): Task {
    const { requests } = this.#parts;
    const { image, config } = this.#disk(request);
    const start = config.start + requests.offset[request]!;
    const length = requests.length[request]!;
    const mode = requests.mode[request]!;
    const isLocked = yield* this.#lock(request, image, start, start + length);
    image.dirty = true;
    const result = yield* image.driver.allocate(request, mode, start, length);
    if (isLocked === 1) image.locks.end(request, this.#parts.granted);
    return result;
  }

  /** truncate(2) of a growable disk. */
  *resize(request: number, size: number): Task {
    const { image } = this.#disk(request);
    const isLocked = yield* this.#lock(request, image, size, Number.POSITIVE_INFINITY);
    image.dirty = true;
    const result = yield* image.driver.resize(request, size);
    if (isLocked === 1) image.locks.end(request, this.#parts.granted);
    return result;
  }

  /** SEEK_DATA and SEEK_HOLE. A part of an image ends in a hole, as every file does. */
  *seek(request: number, offset: number, whence: number): Task {
    const disk = this.#disk(request);
    const { start } = disk.config;
    const found = yield* disk.image.driver.seek(request, start + offset, whence);
    if (found < 0) return found;
    const size = diskSize(disk);
    if (found - start < size) return found - start;
    return whence === SEEK_DATA ? -ERRNO.ENXIO : size;
  }

  /**
   * futimens(2) of the host file. Metadata that is still in memory is written before: to write it later
   * would change the time again.
   */
  *setTimes(request: number, times: Uint8Array): Task {
    const { image } = this.#disk(request);
    const isLate = image.driver.delaysMetadata && image.dirty;
    const flushed = isLate ? yield* this.flush(request, true, NONE) : 0;
    if (flushed < 0) return flushed;
    const result = yield* image.driver.setTimes(request, times);
    return result < 0 ? result : yield* this.refresh(request);
  }

  /** Asks the host how much room the disk takes, and when it was written. */
  refresh(request: number): Task {
    const { image } = this.#disk(request);
    return image.driver.status(request, image.status);
  }

  /** The same for all disks. */
  *refreshAll(request: number): Task {
    for (const { image } of this.#parts.disks) {
      const result = yield* image.driver.status(request, image.status);
      if (result < 0) return result;
    }
    return 0;
  }

  /**
   * A disk is opened: 1 if the kernel's pages of it are still right. The kernel knows of writes that came
   * through the mount; where there were none, a new time of the host file is somebody else's write.
   */
  *look(request: number): Task {
    const disk = this.#disk(request);
    const result = yield* this.refresh(request);
    if (result < 0) return result;
    const { openedAt } = disk;
    const { modified } = disk.image.status.times;
    const isSame =
      openedAt?.seconds === modified.seconds && openedAt.nanoseconds === modified.nanoseconds;
    const keeps = isSame || (openedAt !== null && disk.written);
    disk.openedAt = modified;
    disk.written = false;
    return keeps ? 1 : 0;
  }

  #disk(request: number): Disk {
    const { requests, disks } = this.#parts;
    return disks[requests.disk[request]!]!;
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
