import { fstatSync, ftruncateSync } from 'node:fs';
import type { FlushIo } from '../image/qcow2/metadata-flush.js';
import type { ChainWrites } from '../image/qcow2/writes.js';
import { fsync, pread, pwrite } from '../sys/transfer.js';
import { ERRNO } from '../util/errno.js';
import { type Disk, type DiskConfig, dataDescriptor } from './disk.js';
import type { Unflushed } from './messages.js';

/**
 * Writes what disks and hosts still hold in memory, once no request is under way any more.
 *
 * @returns The disks of which not all is on the host's disk: their last flush failed, or an earlier
 *   one did in a way that cannot be made good.
 */
export function flushAtEnd(disks: readonly Disk[]): Unflushed[] {
  const failed: Unflushed[] = [];
  for (const { config, dirty, chain, losses } of disks) {
    let result = chain?.writes ? flushChainNow(chain.writes, config) : 0;
    if (result >= 0 && dirty) result = fsync(config.descriptor);
    const errno = result < 0 ? -result : losses.errno || (chain?.writes?.takeLoss() ?? 0);
    if (errno !== 0) failed.push({ name: config.name, errno });
  }
  return failed;
}

/** The steps of a flush by calls that wait. 0 or -errno. */
function flushChainNow(writes: ChainWrites, config: DiskConfig): number {
  const { descriptor } = config;
  const dataFile = dataDescriptor(config);
  const io: FlushIo = {
    read: (address, length, offset) => pread(descriptor, address, length, offset),
    write: (address, length, offset) => pwrite(descriptor, address, length, offset),
    sync: () => fsync(descriptor),
    syncData: () => (dataFile >= 0 ? fsync(dataFile) : 0),
    grow: (size) => growTo(descriptor, size),
  };
  const steps = writes.lastFlush(io);
  let step = steps.next(0);
  while (!step.done) step = steps.next(step.value);
  return step.value;
}

/** Makes a file at least so long. 0 or -errno. */
function growTo(descriptor: number, size: number): number {
  try {
    if (fstatSync(descriptor).size < size) ftruncateSync(descriptor, size);
    return 0;
  } catch (error) {
    return (error as NodeJS.ErrnoException).errno ?? -ERRNO.EIO;
  }
}
