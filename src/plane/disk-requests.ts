import { MAX_IO_BYTES } from '../buffers/memory.js';
import type { DiskOperations, DiskStatus } from '../fuse/disk-operations.js';
import type { Task } from '../host/engine.js';
import { SIZE_MAX } from '../image/extent.js';
import { FALLOC_KEEP_SIZE } from '../sys/constants.js';
import { assert } from '../util/assert.js';
import { ERRNO } from '../util/errno.js';
import { type Disk, diskSize } from './disk.js';
import type { Operations } from './operations.js';

/** What the plane does with the request that the dispatcher has in hand. */
export interface Admission {
  /** Charges it and starts it, or lets it wait. Returns DEFERRED. */
  admit(disk: number, offset: number, length: number, mode: number): number;
  /** Runs a task that no group holds back: metadata and flushes are not charged. DEFERRED. */
  runUncharged(disk: number, task: (request: number) => Task): number;
  interrupt(uniqueLow: number, uniqueHigh: number): void;
}

/**
 * The dispatcher's view of the disks: checks each operation against size and mode, then hands it on.
 * A disk that cannot grow behaves as a block device does: O_TRUNC is ignored, truncate(2) refused. One
 * that cannot shrink ignores O_TRUNC too.
 */
export class DiskRequests implements DiskOperations {
  readonly #disks: readonly Disk[];
  readonly #admission: Admission;
  readonly #operations: Operations;

  constructor(disks: readonly Disk[], admission: Admission, operations: Operations) {
    this.#disks = disks;
    this.#admission = admission;
    this.#operations = operations;
  }

  status(index: number): DiskStatus {
    const disk = this.#disks[index]!;
    const { mode, owner } = disk.config;
    const { allocated, times } = disk.image.status;
    return { size: diskSize(disk), allocated, times, mode, owner };
  }

  refresh(index: number): number {
    return this.#admission.runUncharged(index, (request) => this.#operations.refresh(request));
  }

  refreshAll(): number {
    return this.#admission.runUncharged(0, (request) => this.#operations.refreshAll(request));
  }

  look(index: number): number {
    return this.#admission.runUncharged(index, (request) => this.#operations.look(request));
  }

  open(index: number, forWriting: boolean, truncate: boolean): number {
    const { config, image } = this.#disks[index]!;
    if (forWriting && config.readOnly) return -ERRNO.EROFS;
    return truncate && config.growable && image.driver.shrinks ? this.resize(index, 0) : 0;
  }

  read(index: number, offset: number, length: number): number {
    const size = diskSize(this.#disks[index]!);
    assert(length <= MAX_IO_BYTES, 'the kernel keeps to max_read');
    if (offset >= size || length === 0) return 0;
    const bytes = Math.min(length, size - offset);
    return this.#admission.admit(index, offset, bytes, 0);
  }

  write(index: number, offset: number, length: number, fromCache: boolean): number {
    const disk = this.#disks[index]!;
    const { config } = disk;
    const size = diskSize(disk);
    if (config.readOnly) return -ERRNO.EROFS;
    if (length === 0) return 0;
    if (!config.growable && offset >= size) return -ERRNO.ENOSPC;
    if (offset >= SIZE_MAX) return -ERRNO.EFBIG;
    const end = config.growable ? SIZE_MAX : size;
    const bytes = Math.min(length, end - offset);
    return this.#admission.admit(index, offset, bytes, fromCache ? 1 : 0);
  }

  opened(): number {
    return ++this.#operations.newestHandle;
  }

  closed(index: number, handle: number): void {
    this.#disks[index]!.image.losses.closed(handle);
  }

  flush(index: number, dataOnly: boolean, handle: number): number {
    if (this.#disks[index]!.config.readOnly) return 0;
    const task = (request: number) => this.#operations.flush(request, dataOnly, handle);
    return this.#admission.runUncharged(index, task);
  }

  allocate(index: number, mode: number, offset: number, length: number): number {
    const disk = this.#disks[index]!;
    const { config } = disk;
    const size = diskSize(disk);
    if (config.readOnly) return -ERRNO.EROFS;
    const keepsSize = (mode & FALLOC_KEEP_SIZE) !== 0;
    if (!keepsSize && !config.growable && offset + length > size) return -ERRNO.ENOSPC;
    if (!keepsSize && offset + length > SIZE_MAX) return -ERRNO.EFBIG;
    const bytes = keepsSize ? Math.min(length, size - offset) : length;
    if (bytes <= 0) return 0;
    return this.#admission.admit(index, offset, bytes, mode);
  }

  seek(index: number, offset: number, whence: number): number {
    if (offset >= diskSize(this.#disks[index]!)) return -ERRNO.ENXIO;
    const task = (request: number) => this.#operations.seek(request, offset, whence);
    return this.#admission.runUncharged(index, task);
  }

  resize(index: number, size: number): number {
    const disk = this.#disks[index]!;
    const { config } = disk;
    if (config.readOnly) return -ERRNO.EROFS;
    if (size === diskSize(disk)) return 0;
    if (!config.growable) return -ERRNO.EPERM;
    if (size > SIZE_MAX) return -ERRNO.EFBIG;
    return this.#admission.runUncharged(index, (request) => this.#operations.resize(request, size));
  }

  setTimes(index: number, times: Uint8Array): number {
    if (this.#disks[index]!.config.readOnly) return -ERRNO.EROFS;
    const task = (request: number) => this.#operations.setTimes(request, times);
    return this.#admission.runUncharged(index, task);
  }

  interrupt(uniqueLow: number, uniqueHigh: number): void {
    this.#admission.interrupt(uniqueLow, uniqueHigh);
  }
}
