import { fstatSync, fsyncSync, ftruncateSync } from 'node:fs';
import { pread, pwrite } from '../sys/transfer.js';
import { errnoName } from '../util/errno.js';
import type { ChainWrites } from './chain-writes.js';
import { type Disk, type DiskConfig, dataDescriptor } from './disk.js';
import type { FlushIo } from './metadata-flush.js';

/**
 * Writes what disks and hosts still hold in memory, once no request is under way any more.
 *
 * @returns The names of the disks that failed.
 */
export function flushAtEnd(disks: readonly Disk[]): string[] {
  const failed: string[] = [];
  for (const { config, dirty, chain } of disks) {
    try {
      if (chain?.writes) flushChainNow(chain.writes, config);
      if (dirty) fsyncSync(config.descriptor);
    } catch {
      failed.push(config.name);
    }
  }
  return failed;
}

/** The steps of a flush by calls that wait. Throws when the host refuses. */
function flushChainNow(writes: ChainWrites, config: DiskConfig): void {
  const { descriptor } = config;
  const dataFile = dataDescriptor(config);
  const io: FlushIo = {
    read: (address, length, offset) => pread(descriptor, address, length, offset),
    write: (address, length, offset) => pwrite(descriptor, address, length, offset),
    sync: () => {
      fsyncSync(descriptor);
      return 0;
    },
    syncData: () => {
      if (dataFile >= 0) fsyncSync(dataFile);
      return 0;
    },
    grow: (size) => {
      if (fstatSync(descriptor).size < size) ftruncateSync(descriptor, size);
      return 0;
    },
  };
  const steps = writes.lastFlush(io);
  let step = steps.next(0);
  while (!step.done) step = steps.next(step.value);
  if (step.value < 0) throw new Error(errnoName(step.value));
}
