import { fsyncSync, ftruncateSync } from 'node:fs';
import { pread, pwrite } from '../sys/transfer.js';
import { errnoName } from '../util/errno.js';
import type { ChainWrites } from './chain-writes.js';
import type { Disk } from './disk.js';
import type { FlushIo } from './metadata-flush.js';
import type { Task } from './tasks.js';

/** The calls of a flush: results, or what `lastFlush`'s caller has to wait for. */
export interface LastFlushIo extends FlushIo {
  read(address: number, length: number, offset: number): number;
}

/**
 * Writes what disks and hosts still hold in memory, once no request is under way any more.
 *
 * @returns The names of the disks that failed.
 */
export function flushAtEnd(disks: readonly Disk[]): string[] {
  const failed: string[] = [];
  for (const { config, dirty, chain } of disks) {
    try {
      if (chain?.writes) flushChainNow(chain.writes, config.descriptor);
      if (dirty) fsyncSync(config.descriptor);
    } catch {
      failed.push(config.name);
    }
  }
  return failed;
}

/** The steps of a flush by calls that wait. Throws when the host refuses. */
function flushChainNow(writes: ChainWrites, descriptor: number): void {
  const steps = lastFlush(writes, {
    write: (address, length, offset) => pwrite(descriptor, address, length, offset),
    read: (address, length, offset) => pread(descriptor, address, length, offset),
    sync: () => {
      fsyncSync(descriptor);
      return 0;
    },
    grow: (size) => {
      ftruncateSync(descriptor, size);
      return 0;
    },
  });
  let step = steps.next(0);
  while (!step.done) step = steps.next(step.value);
  if (step.value < 0) throw new Error(errnoName(step.value));
}

/**
 * The last flush of a chain, step by step: twice, for the first makes references go away, and the
 * second writes the refcounts without them. 0 or -errno.
 */
export function* lastFlush(writes: ChainWrites, io: LastFlushIo): Task {
  const loadBlock = (index: number): Task => writes.loadBlockWith(io.read, index);
  for (let round = 0; round < 2; round++) {
    const result = yield* writes.flushWith(io, loadBlock);
    if (result < 0) return result;
  }
  return 0;
}
