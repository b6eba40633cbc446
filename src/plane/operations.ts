import { MAX_IO_BYTES, SLOT_DATA, slotOffset } from '../buffers/memory.js';
import type { Task } from '../host/engine.js';
import { PENDING } from '../host/engine.js';
import { blockStatus } from '../image/block-status.js';
import type { Chain } from '../image/chain.js';
import { newExtent, roundUpToSector, ZERO } from '../image/image.js';
import type { ChainWrites } from '../image/qcow2/writes.js';
import {
  FALLOC_KEEP_SIZE,
  FALLOC_PUNCH_HOLE,
  FALLOC_ZERO_RANGE,
  SEEK_DATA,
} from '../sys/constants.js';
import { ERRNO } from '../util/errno.js';
import type { CoreParts } from './parts.js';
import { roundDown, roundUp } from './range-locks.js';
import { NONE } from './requests.js';

/** What disks do besides reads and writes: each a task. */
export class Operations {
  /** The last handle of an open disk that was given out, from 1; 0 if there was none. */
  newestHandle = 0;
  readonly #parts: CoreParts;

  constructor(parts: CoreParts) {
    this.#parts = parts;
  }

  /** fsync or fdatasync of the host file. */
  *flush(request: number, dataOnly: boolean, handle: number): Task {
    const { requests, disks, engine } = this.#parts;
    const disk = disks[requests.disk[request]!]!;
    // Cleared before, not after: a write that comes meanwhile needs the next flush.
    disk.dirty = false;
    const writes = disk.chain?.writes;
    const result = writes
      ? yield* writes.flush(request)
      : yield engine.flush(request, disk.file, dataOnly);
    if (result < 0) disk.dirty = true;
    const loss = writes ? writes.takeLoss() : Math.max(0, -result);
    if (loss > 0) disk.losses.add(loss, this.newestHandle, result < 0 ? handle : NONE);
    return result < 0 ? result : disk.losses.report(handle);
  }

  /** fallocate of the host file. */
  allocate(request: number): Task {
    const { offset, length, disk } = this.#parts.requests;
    const end = offset[request]! + length[request]!;
    const writes = this.#parts.disks[disk[request]!]!.chain?.writes;
    if (writes) return this.#allocateInChain(request, writes, end);
    return this.#exclusively(request, offset[request]!, end, this.#allocate(request));
  }

  /** Zeroing and discarding. Reserving room (mode 0) is refused, as QEMU does within an image. */
  *#allocateInChain(request: number, writes: ChainWrites, end: number): Task {
    const { requests, disks, granted } = this.#parts;
    const disk = disks[requests.disk[request]!]!;
    const offset = requests.offset[request]!;
    const zeroes = (requests.mode[request]! & (FALLOC_PUNCH_HOLE | FALLOC_ZERO_RANGE)) !== 0;
    if (!zeroes) return -ERRNO.EOPNOTSUPP;
    disk.dirty = true;
    const { clusterBytes } = writes.writer.layer.geometry;
    const grows = end > disk.image.size;
    const first = roundDown(grows ? Math.min(offset, disk.image.size) : offset, clusterBytes);
    const last = grows ? Number.POSITIVE_INFINITY : roundUp(end, clusterBytes);
    const free = disk.locks.begin(request, first, last, true);
    if (!free) yield PENDING;
    let result = yield* writes.grow(request, end);
    if (result === 0) result = yield* writes.zero(request, offset, end - offset);
    disk.locks.end(request, granted);
    return result;
  }

  /** Zeros are written by hand where the host can neither zero nor punch. */
  *#allocate(request: number): Task {
    const { requests, disks, engine } = this.#parts;
    const disk = disks[requests.disk[request]!]!;
    const offset = requests.offset[request]!;
    const length = requests.length[request]!;
    const mode = requests.mode[request]!;
    disk.dirty = true;
    // A block device has no size to keep, and refuses a mode that says otherwise.
    const wanted = disk.config.blockDevice ? mode | FALLOC_KEEP_SIZE : mode;
    let result = yield engine.allocate(request, disk.file, wanted, offset, length);
    const zeroes = (mode & (FALLOC_PUNCH_HOLE | FALLOC_ZERO_RANGE)) !== 0;
    if (result === -ERRNO.EOPNOTSUPP && (mode & FALLOC_ZERO_RANGE) !== 0) {
      const punch = FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE;
      result = yield engine.allocate(request, disk.file, punch, offset, length);
      const end = offset + length;
      if (result === 0 && (mode & FALLOC_KEEP_SIZE) === 0 && end > disk.image.size) {
        result = yield engine.resize(request, disk.file, end);
      }
    }
    if (result === -ERRNO.EOPNOTSUPP && zeroes) result = yield* this.#writeZeros(request);
    if (result >= 0 && (mode & FALLOC_KEEP_SIZE) === 0) disk.image.written(offset + length);
    return Math.min(result, 0);
  }

  /** truncate(2) of a growable disk. */
  resize(request: number, size: number): Task {
    const writes = this.#parts.disks[this.#parts.requests.disk[request]!]!.chain?.writes;
    if (writes) return this.#growChain(request, writes, size);
    return this.#exclusively(request, size, Number.POSITIVE_INFINITY, this.#resize(request, size));
  }

  /** An image of layers grows; it does not shrink, as what lies behind its end might come back. */
  *#growChain(request: number, writes: ChainWrites, size: number): Task {
    const { requests, disks, granted } = this.#parts;
    const disk = disks[requests.disk[request]!]!;
    const { clusterBytes } = writes.writer.layer.geometry;
    const first = roundDown(disk.image.size, clusterBytes);
    if (!disk.locks.begin(request, first, Number.POSITIVE_INFINITY, true)) yield PENDING;
    disk.dirty = true;
    const shrinks = roundUpToSector(size) < disk.image.size;
    const result = shrinks ? -ERRNO.EPERM : yield* writes.grow(request, size);
    disk.locks.end(request, granted);
    return result;
  }

  *#resize(request: number, size: number): Task {
    const { requests, disks, engine } = this.#parts;
    const disk = disks[requests.disk[request]!]!;
    disk.dirty = true;
    const result = yield engine.resize(request, disk.file, size);
    if (result === 0) disk.image.resized(size);
    return result;
  }

  /** SEEK_DATA and SEEK_HOLE. A block device knows no holes: it is data up to its end. */
  *seek(request: number, offset: number, whence: number): Task {
    const { requests, disks, engine } = this.#parts;
    const disk = disks[requests.disk[request]!]!;
    if (disk.chain !== null) return yield* this.#seekInChain(request, disk.chain, offset, whence);
    if (disk.config.blockDevice) return whence === SEEK_DATA ? offset : disk.image.size;
    const result = yield engine.seek(request, disk.file, offset, whence);
    return disk.image.seekResult(offset, whence, result);
  }

  /** Extent by extent. Every image ends in a hole: what SEEK_HOLE finds at last is the end. */
  *#seekInChain(request: number, chain: Chain, offset: number, whence: number): Task {
    const { engine } = this.#parts;
    const { image } = chain;
    // Its own: other requests map while this one waits.
    const extent = newExtent();
    const io = {
      load: () => chain.loadMetadata(request, extent),
      seek: (file: number, at: number, how: number) => engine.seek(request, file, at, how),
    };
    for (let at = offset; at < image.size; at += extent.length) {
      const error = yield* blockStatus(image, at, image.size - at, extent, io);
      if (error < 0) return error;
      if ((extent.kind !== ZERO) === (whence === SEEK_DATA)) return at;
    }
    return whence === SEEK_DATA ? -ERRNO.ENXIO : image.size;
  }

  /**
   * Runs a task while nothing else writes to the blocks of bytes `start` to `end`: a write that keeps
   * a part of one of them would bring back what the task removes.
   */
  *#exclusively(request: number, start: number, end: number, task: Task): Task {
    const { requests, disks, granted } = this.#parts;
    const { config, locks } = disks[requests.disk[request]!]!;
    if (config.alignment === 1) return yield* task;
    const first = roundDown(start, config.alignment);
    const free = locks.begin(request, first, roundUp(end, config.alignment), true);
    if (!free) yield PENDING;
    const result = yield* task;
    locks.end(request, granted);
    return result;
  }

  /**
   * futimens(2) of the host file, behind what of an image of layers has not been written yet: that would
   * change the time again later.
   */
  *setTimes(request: number, times: Uint8Array): Task {
    const { requests, disks, engine } = this.#parts;
    const disk = disks[requests.disk[request]!]!;
    const writes = disk.chain?.writes;
    const flushed = writes && disk.dirty ? yield* this.flush(request, true, NONE) : 0;
    if (flushed < 0) return flushed;
    const result = yield engine.setTimes(request, disk.file, times);
    return result < 0 ? result : yield* this.refresh(request);
  }

  /** Asks the host how much room the disk takes, and when it was written. */
  *refresh(request: number): Task {
    const { requests, disks, engine } = this.#parts;
    const disk = disks[requests.disk[request]!]!;
    return yield engine.status(request, disk.file, disk);
  }

  /** The same for all disks. */
  *refreshAll(request: number): Task {
    const { disks, engine } = this.#parts;
    for (const disk of disks) {
      const result = yield engine.status(request, disk.file, disk);
      if (result < 0) return result;
    }
    return 0;
  }

  /**
   * A disk is opened: 1 if the kernel's pages of it are still right. The kernel knows of writes that came
   * through the mount; where there were none, a new time of the host file is somebody else's write.
   */
  *look(request: number): Task {
    const { requests, disks } = this.#parts;
    const disk = disks[requests.disk[request]!]!;
    const result = yield* this.refresh(request);
    if (result < 0) return result;
    const { openedAt, times } = disk;
    const isSame =
      openedAt?.seconds === times.modified.seconds &&
      openedAt.nanoseconds === times.modified.nanoseconds;
    const keeps = isSame || (openedAt !== null && disk.written);
    disk.openedAt = times.modified;
    disk.written = false;
    return keeps ? 1 : 0;
  }

  /** Whole blocks only: the kernel has no other way to zero a part of a block on such a host. */
  *#writeZeros(request: number): Task {
    const { requests, disks, engine, memory } = this.#parts;
    const disk = disks[requests.disk[request]!]!;
    const offset = requests.offset[request]!;
    const length = requests.length[request]!;
    if (((offset | length) & (disk.config.alignment - 1)) !== 0) return -ERRNO.EOPNOTSUPP;
    if (requests.slot[request] === NONE) requests.slot[request] = memory.takeSlot();
    const zeros = slotOffset(requests.slot[request]!) + SLOT_DATA;
    memory.bytes.fill(0, zeros, zeros + MAX_IO_BYTES);
    for (let done = 0; done < length; ) {
      const bytes = Math.min(MAX_IO_BYTES, length - done);
      const address = memory.address + zeros;
      const result = yield engine.write(request, disk.file, address, bytes, offset + done, false);
      if (result <= 0) return result === 0 ? -ERRNO.EIO : result;
      done += result;
    }
    return 0;
  }
}
