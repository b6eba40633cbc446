import type { Memory } from '../buffers/memory.js';
import type { Engine, HostStatus, Task } from '../host/engine.js';
import type { Extent } from './extent.js';
import type { InflateCalls, Inflation } from './inflate-calls.js';
import type { Mappings } from './mappings.js';
import type { Resume } from './waiters.js';

/**
 * An image that is served: all that the data plane knows of it. Offsets, lengths and sizes are bytes
 * of the image. `map` and `mapWrite` are synchronous, for the common case: the caller then makes one
 * transfer itself. Everything else is a task, whose host calls go through the engine in the name of
 * `request`.
 *
 * The caller holds a lock on the range of each task that changes the image; see `lockUnit`.
 */
export interface Driver {
  /** Virtual size, a multiple of 512 unless the image is `shared`. Changes as it grows or shrinks. */
  readonly size: number;
  /** Offsets and lengths of host I/O are multiples of this power of two, at most 4096; 1: any. */
  readonly alignment: number;
  /**
   * A write that is not made in place changes whole units of this many bytes, so it must have them for
   * itself. 1: each write is in place, and none needs a lock.
   */
  readonly lockUnit: number;
  /** `resize` can make it smaller. */
  readonly shrinks: boolean;
  /** Metadata is kept in memory and written by `flush`, later than the data. */
  readonly delaysMetadata: boolean;

  /**
   * Where the bytes from `offset` are, for at most `length` bytes below `size`: DATA and ZERO are final
   * answers for `extent.length` bytes; with any other kind only `read` can tell.
   */
  map(offset: number, length: number, extent: Extent): void;
  /**
   * Whether all of a range can be written in place; then `extent` says where. The range may lie behind
   * `size` where the image grows by plain writes.
   */
  mapWrite(offset: number, length: number, extent: Extent): boolean;
  /** A write in place has succeeded up to the offset `end`. */
  written(end: number): void;
  /**
   * A write in place up to the offset `end` has failed: behind `size` the host may have made a part of it.
   * Missing: no write in place ends behind `size`. 0 or -errno.
   */
  writeFailed?(request: number, end: number): Task;

  /**
   * Reads into the plane's memory: byte 0 of the range to `at`, which lies as far behind a multiple of
   * `alignment` as `offset` does. There must be room for whole blocks around the range.
   *
   * @param done Bytes of the range that are there already.
   * @returns `length` or -errno
   */
  read(request: number, offset: number, length: number, at: number, done: number): Task;
  /**
   * Writes from `source` in the plane's memory.
   * @returns Bytes written; -errno only if that is none
   */
  write(request: number, offset: number, length: number, source: number): Task;
  /** fallocate(2) with its mode bits: zeroes, discards, sets room aside. 0 or -errno. */
  allocate(request: number, mode: number, offset: number, length: number): Task;
  /** lseek(2) with SEEK_DATA or SEEK_HOLE: an offset or -errno. */
  seek(request: number, offset: number, whence: number): Task;
  /** truncate(2): 0; -EPERM if the image cannot become smaller; or another -errno. */
  resize(request: number, size: number): Task;
  /**
   * `resize` that never makes the image shorter, whatever writes past its end do meanwhile; -EOPNOTSUPP: the host has no call for
   * that. Missing: locks keep them off.
   */
  grow?(request: number, size: number): Task;
  /** The image's file has this size now: somebody else has made it longer. Where that makes the image longer, it is. */
  hostGrew(hostSize: number): void;
  /** fsync(2), or fdatasync(2) if `dataOnly`: 0 or -errno. */
  flush(request: number, dataOnly: boolean): Task;
  /** futimens(2) of the image's file. @param times Two of struct timespec. */
  setTimes(request: number, times: Uint8Array): Task;
  /** fstat(2) of the image's file: fills `status`. */
  status(request: number, status: HostStatus): Task;
  /**
   * Errno of a failed fsync of the host since the last call, 0 if there was none. The host counts the
   * data that it could not write as written, so it is lost, whatever later flushes say.
   */
  takeLoss(): number;
  /**
   * The last flush, when no other request changes the image: it is as after a clean end. 0 or -errno.
   * @param dirty Something has been written since the last flush began.
   */
  close(request: number, dirty: boolean): Task;
}

/** The objects that a driver uses. */
export interface DriverIo {
  readonly engine: Engine;
  /** Sources of writes and targets of reads are offsets in it. */
  readonly memory: Memory;
  /** Lets the task of a request go on that has yielded PENDING to wait for another task. */
  readonly resume: Resume;
  readonly inflateCalls: InflateCalls;
  /** The image's memory outside the heap. */
  readonly mappings: Mappings;
  /** Offset in `memory` of the slot that belongs to the request; it gets one if it has none. */
  slotOf(request: number): number;
  /**
   * Returns a predicate: whether all requests that are now at work on the image have ended.
   * A request that waits for its group or for a lock has not mapped anything yet, and does not count.
   */
  watch(): () => boolean;
}

/** One image among an image and its backing files. */
export interface Layer {
  /** Virtual size, a multiple of 512. */
  readonly size: number;
  /** Holes of the host file are holes of the layer: it keeps the image byte for byte. */
  readonly hasHostHoles: boolean;
  /**
   * Where this layer has the bytes from `offset`, for at most `length` bytes, all below `size`.
   * UNALLOCATED: not here. Leaves `extent.layer` alone.
   */
  map(offset: number, length: number, extent: Extent): void;
  /** Loads the metadata that a METADATA extent names; then the range can be mapped again. 0 or -errno. */
  load(request: number, extent: Extent): Task;
  /** Null for a layer that has no compressed clusters. */
  readonly inflation: Inflation | null;
}

/** Writes to the top layer. Each method is the method of Driver with the same name. */
export interface LayerWriter {
  readonly lockUnit: number;
  mapWrite(offset: number, length: number, extent: Extent): boolean;
  /** Within the image or behind its end. */
  write(request: number, offset: number, length: number, source: number): Task;
  /** Makes the image at least `size` bytes long; new bytes read as zeros. 0 or -errno. */
  grow(request: number, size: number): Task;
  zero(request: number, offset: number, length: number): Task;
  flush(request: number): Task;
  takeLoss(): number;
  close(request: number): Task;
}
