import { type BigIntStats, fstatSync } from 'node:fs';
import { ERRNO } from '../util/errno.js';
import { type HostTimes, timesOf } from './host-times.js';
import type { NbdExport } from './nbd-export.js';

/** Status of a host file. */
export interface HostStatus {
  /** Bytes that are allocated for it. */
  allocated: number;
  times: HostTimes;
  /** Bytes; of a block device, 0. */
  size: number;
}

/** The file that keeps blocks of an export which have been read. Plain data. */
export interface ExportCache {
  readonly path: string;
  /** Open for reading and writing, and locked. */
  readonly descriptor: number;
}

/** What a cache has done since its image came. Plain data. */
export interface CacheFigures {
  readonly path: string;
  /** Bytes that it has. */
  readonly kept: number;
  /** Bytes of reads that it answered, and of those that the server did. */
  readonly fromCache: number;
  readonly fromServer: number;
  /** It takes more. */
  readonly isGrowing: boolean;
}

/** An open host file as an engine needs to know it. */
export interface EngineFile {
  descriptor: number;
  /** On a file system in memory: a transfer never waits for a device. */
  inMemory: boolean;
  /** It is an export of an NBD server, and has no descriptor of its own (-1); missing: a file. */
  nbd?: NbdExport | undefined;
  /** The cache of the export; missing: it has none. */
  cache?: ExportCache | undefined;
}

/** The operation goes on; its result comes through `Plane.completed`. Outside the errno range. */
export const PENDING = -20_000;

/**
 * A slow path: a coroutine that yields the return value of an engine's operation and goes on with the
 * operation's result. Returns its own result: a number from 0, or -errno.
 */
export type Task = Generator<number, number, number>;

/** A read or a write of `length` bytes. @param linked See `Engine.links`. */
export type TransferCall = (
  request: number,
  file: number,
  address: number,
  length: number,
  offset: number,
  linked: boolean,
) => number;

/**
 * Reads and writes of host files. A file is the handle that `add` gave; addresses are memory; lengths and
 * offsets are bytes. Each operation returns its result (a count, or -errno) or PENDING.
 *
 * Operations that are PENDING and were started in one turn go down together when the turn ends (plug …
 * unplug).
 */
export interface Engine {
  /** Takes a file in, at any time. It stays open and the caller's own. Returns its handle, from 0. */
  add(file: EngineFile): number;
  /** Forgets a file; no operation on it may be under way. Its handle may be given out again. */
  remove(file: number): void;
  /**
   * True if a transfer of `length` bytes can be linked to the reply that is queued right behind it:
   * the reply goes out when, and only when, the transfer was complete, and `completed` is called only
   * if it was not. A linked transfer is always PENDING.
   */
  links(file: number, length: number): boolean;
  /**
   * The address where a range of a file can be read in place, by the kernel alone, until the turn ends. 0: only `read` has
   * it. Missing: no range can.
   */
  addressOf?(file: number, offset: number, length: number): number;
  readonly read: TransferCall;
  readonly write: TransferCall;
  /** fsync(2), or fdatasync(2) if `dataOnly`. */
  flush(request: number, file: number, dataOnly: boolean): number;
  /** fallocate(2) with its mode bits. */
  allocate(request: number, file: number, mode: number, offset: number, length: number): number;
  /** ftruncate(2). */
  resize(request: number, file: number, size: number): number;
  /** lseek(2) with SEEK_DATA or SEEK_HOLE; result: the offset. */
  seek(request: number, file: number, offset: number, whence: number): number;
  /** futimens(2). @param times Two of struct timespec, as the call takes them. Result: 0. */
  setTimes(request: number, file: number, times: Uint8Array): number;
  /** fstat(2): fills `status`; result: 0. */
  status(request: number, file: number, status: HostStatus): number;
  /** An operation that was PENDING has ended. Missing: the engine need not know. */
  ended?(request: number): void;
  /** How the cache of a file is; null: it has none. Missing: no file has one. */
  cacheOf?(file: number): CacheFigures | null;
}

/** fstat(2) at once: fills the status. 0 or -errno: a file of NFS may be gone. */
export function statusNow(descriptor: number, status: HostStatus): number {
  try {
    fillStatus(status, fstatSync(descriptor, { bigint: true }));
    return 0;
  } catch (error) {
    return (error as NodeJS.ErrnoException).errno ?? -ERRNO.EIO;
  }
}

/** Fills the status from fstat(2). A block device allocates nothing, so `allocated` stays. */
export function fillStatus(status: HostStatus, stats: BigIntStats): void {
  status.times = timesOf(stats);
  status.size = Number(stats.size);
  if (!stats.isBlockDevice()) status.allocated = Number(stats.blocks) * 512;
}
