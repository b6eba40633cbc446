import { fstat, fstatSync, ftruncateSync } from 'node:fs';
import { promisify } from 'node:util';
import { PENDING } from '../host/engine.js';
import type { FlushIo } from '../image/qcow2/metadata-flush.js';
import { fsyncSoon, ftruncate, preadSoon, pwriteSoon } from '../sys/libc.js';
import { fsync, pread, pwrite } from '../sys/transfer.js';
import { ERRNO } from '../util/errno.js';
import { type Disk, type DiskConfig, dataDescriptor } from './disk.js';
import type { Unflushed } from './messages.js';

/** The system calls of the last flush. Each returns its result: a count, 0 or -errno; or PENDING. */
interface FlushCalls {
  read(descriptor: number, address: number, length: number, offset: number): number;
  write(descriptor: number, address: number, length: number, offset: number): number;
  sync(descriptor: number): number;
  /** Makes a file at least so long. */
  grow(descriptor: number, size: number): number;
}

/**
 * Writes all that disks and hosts still hold in memory, once no request is under way any more. Yields
 * what each call returns, and goes on with the call's result.
 *
 * @returns The disks of which not all is on the host's disk: their last flush failed, or an earlier
 *   one did in a way that cannot be made good.
 */
function* lastFlush(
  disks: readonly Disk[],
  calls: FlushCalls,
): Generator<number, Unflushed[], number> {
  const failed: Unflushed[] = [];
  for (const { config, dirty, chain, losses } of disks) {
    let result = chain?.writes ? yield* chain.writes.lastFlush(flushIo(config, calls)) : 0;
    if (result >= 0 && dirty) result = yield calls.sync(config.descriptor);
    const errno = result < 0 ? -result : losses.errno || (chain?.writes?.takeLoss() ?? 0);
    if (errno !== 0) failed.push({ name: config.name, errno });
  }
  return failed;
}

function flushIo(config: DiskConfig, calls: FlushCalls): FlushIo {
  const { descriptor } = config;
  const dataFile = dataDescriptor(config);
  return {
    read: (address, length, offset) => calls.read(descriptor, address, length, offset),
    write: (address, length, offset) => calls.write(descriptor, address, length, offset),
    sync: () => calls.sync(descriptor),
    syncData: () => (dataFile < 0 ? 0 : calls.sync(dataFile)),
    grow: (size) => calls.grow(descriptor, size),
  };
}

/** The last flush by calls that wait, for a thread that has nothing else to do. See `lastFlush`. */
export function flushAtEnd(disks: readonly Disk[]): Unflushed[] {
  const steps = lastFlush(disks, { read: pread, write: pwrite, sync: fsync, grow: growNow });
  let step = steps.next(0);
  while (!step.done) step = steps.next(step.value);
  return step.value;
}

function growNow(descriptor: number, size: number): number {
  try {
    if (fstatSync(descriptor).size < size) ftruncateSync(descriptor, size);
    return 0;
  } catch (error) {
    return (error as NodeJS.ErrnoException).errno ?? -ERRNO.EIO;
  }
}

/** The last flush by calls in libuv's pool, for the main thread. See `lastFlush`. */
export async function flushInPool(disks: readonly Disk[]): Promise<Unflushed[]> {
  let call = Promise.resolve(0);
  const later = (started: Promise<number>): number => {
    call = started;
    return PENDING;
  };
  const steps = lastFlush(disks, {
    read: (...words) => later(preadSoon(...words)),
    write: (...words) => later(pwriteSoon(...words)),
    sync: (descriptor) => later(fsyncSoon(descriptor)),
    grow: (descriptor, size) => later(growSoon(descriptor, size)),
  });
  let step = steps.next(0);
  while (!step.done) step = steps.next(step.value === PENDING ? await call : step.value);
  return step.value;
}

async function growSoon(descriptor: number, size: number): Promise<number> {
  try {
    const { size: present } = await promisify(fstat)(descriptor);
    return present < size ? await ftruncate(descriptor, size) : 0;
  } catch (error) {
    return (error as NodeJS.ErrnoException).errno ?? -ERRNO.EIO;
  }
}
