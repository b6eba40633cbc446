import { MAX_IO_BYTES, type Memory, TIMES_BYTES, timesOffset } from '../buffers/memory.js';
import type { Task } from '../host/engine.js';
import { FALLOC_KEEP_SIZE } from '../sys/constants.js';
import { assert } from '../util/assert.js';
import { ERRNO } from '../util/errno.js';
import { SIZE_MAX } from '../util/units.js';
import { type Disk, diskSize } from './disk.js';
import * as operation from './operation.js';
import type { Operations } from './operations.js';
import type { Requests } from './requests.js';

/** Starts operations that have passed their checks. */
export interface Admission {
  /** Charges a request and starts it, or lets it wait. Returns DEFERRED. */
  admit(request: number): number;
  /** Runs a task that no group holds back: metadata and flushes are not charged. Returns DEFERRED. */
  runUncharged(request: number, task: Task): number;
}

/**
 * Checks each operation against size and mode of its disk, then hands it on. A disk that cannot grow
 * behaves as a block device does: O_TRUNC is ignored, truncate(2) refused. One that cannot shrink
 * ignores O_TRUNC too.
 */
export class DiskRequests {
  readonly #requests: Requests;
  readonly #disks: readonly Disk[];
  readonly #admission: Admission;
  readonly #operations: Operations;
  readonly #memory: Memory;

  constructor(
    requests: Requests,
    disks: readonly Disk[],
    memory: Memory,
    admission: Admission,
    operations: Operations,
  ) {
    this.#requests = requests;
    this.#disks = disks;
    this.#memory = memory;
    this.#admission = admission;
    this.#operations = operations;
  }

  /** Begins the operation of a request: its result, or DEFERRED. */
  begin(request: number): number {
    const { offset, mode, length } = this.#requests;
    const operations = this.#operations;
    const asked = this.#requests.operation[request]!;
    switch (asked) {
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
      case operation.REFRESH:
        return this.#admission.runUncharged(request, operations.refresh(request));
      default:
        assert(asked === operation.REFRESH_ALL, `there is no operation ${asked}`);
        return this.#admission.runUncharged(request, operations.refreshAll(request));
    }
  }

  #diskOf(request: number): Disk {
    return this.#disks[this.#requests.disk[request]!]!;
  }

  #read(request: number, offset: number, length: number): number {
    const size = diskSize(this.#diskOf(request));
    assert(length <= MAX_IO_BYTES, 'the kernel keeps to max_read');
    if (offset >= size || length === 0) return 0;
    this.#requests.length[request] = Math.min(length, size - offset);
    return this.#admission.admit(request);
  }

  #write(request: number, offset: number, length: number): number {
    const disk = this.#diskOf(request);
    const { config } = disk;
    const size = diskSize(disk);
    if (config.readOnly) return -ERRNO.EROFS;
    if (length === 0) return 0;
    if (!config.growable && offset >= size) return -ERRNO.ENOSPC;
    if (offset >= SIZE_MAX) return -ERRNO.EFBIG;
    const end = config.growable ? SIZE_MAX : size;
    this.#requests.length[request] = Math.min(length, end - offset);
    return this.#admission.admit(request);
  }

  #allocate(request: number, mode: number, offset: number, length: number): number {
    const disk = this.#diskOf(request);
    const { config } = disk;
    const size = diskSize(disk);
    if (config.readOnly) return -ERRNO.EROFS;
    const keepsSize = (mode & FALLOC_KEEP_SIZE) !== 0;
    if (!keepsSize && !config.growable && offset + length > size) return -ERRNO.ENOSPC;
    if (!keepsSize && offset + length > SIZE_MAX) return -ERRNO.EFBIG;
    const bytes = keepsSize ? Math.min(length, size - offset) : length;
    if (bytes <= 0) return 0;
    this.#requests.length[request] = bytes;
    return this.#admission.admit(request);
  }

  #flush(request: number): number {
    const { mode, handle } = this.#requests;
    if (this.#diskOf(request).config.readOnly) return 0;
    const task = this.#operations.flush(request, mode[request] === 1, handle[request]!);
    return this.#admission.runUncharged(request, task);
  }

  #seek(request: number, offset: number, whence: number): number {
    if (offset >= diskSize(this.#diskOf(request))) return -ERRNO.ENXIO;
    return this.#admission.runUncharged(request, this.#operations.seek(request, offset, whence));
  }

  #resize(request: number, size: number): number {
    const disk = this.#diskOf(request);
    const { config } = disk;
    if (config.readOnly) return -ERRNO.EROFS;
    if (size === diskSize(disk)) return 0;
    if (!config.growable) return -ERRNO.EPERM;
    if (size > SIZE_MAX) return -ERRNO.EFBIG;
    return this.#admission.runUncharged(request, this.#operations.resize(request, size));
  }

  #setTimes(request: number): number {
    if (this.#diskOf(request).config.readOnly) return -ERRNO.EROFS;
    const at = timesOffset(request);
    const times = this.#memory.bytes.slice(at, at + TIMES_BYTES);
    return this.#admission.runUncharged(request, this.#operations.setTimes(request, times));
  }

  #open(request: number, mode: number): number {
    const { config, image } = this.#diskOf(request);
    if ((mode & operation.FOR_WRITING) !== 0 && config.readOnly) return -ERRNO.EROFS;
    this.#requests.handle[request] = ++this.#operations.newestHandle;
    const shrinks = config.growable && image.driver.shrinks;
    const truncates = shrinks && (mode & operation.TRUNCATE) !== 0;
    const result = truncates ? this.#resize(request, 0) : 0;
    if (result !== 0 || (mode & operation.LOOK) === 0) return result;
    return this.#admission.runUncharged(request, this.#operations.look(request));
  }
}
