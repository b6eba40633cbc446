import { fstat } from 'node:fs';
import { promisify } from 'node:util';
import { PENDING } from '../host/engine.js';
import type { ChainWrites } from '../image/qcow2/writes.js';
import { type Disk, type DiskConfig, dataDescriptor } from '../plane/disk.js';
import type { Unflushed } from '../plane/messages.js';
import { fsyncSoon, ftruncate, preadSoon, pwriteSoon } from '../sys/libc.js';

/**
 * Writes what disks and hosts still hold in memory, once no request is under way any more, by calls
 * in libuv's pool.
 *
 * @returns See `flushAtEnd`.
 */
export async function flushInPool(disks: readonly Disk[]): Promise<Unflushed[]> {
  const failed: Unflushed[] = [];
  for (const { config, dirty, chain, losses } of disks) {
    const { descriptor } = config;
    let result = chain?.writes ? await flushChain(chain.writes, config) : 0;
    if (result >= 0 && dirty) result = await fsyncSoon(descriptor);
    const errno = result < 0 ? -result : losses.errno || (chain?.writes?.takeLoss() ?? 0);
    if (errno !== 0) failed.push({ name: config.name, errno });
  }
  return failed;
}

/** 0 or -errno. */
async function flushChain(writes: ChainWrites, config: DiskConfig): Promise<number> {
  const { descriptor } = config;
  const dataFile = dataDescriptor(config);
  let call = Promise.resolve(0);
  const begin = (started: Promise<number>): number => {
    call = started;
    return PENDING;
  };
  const steps = writes.lastFlush({
    write: (address, length, offset) => begin(pwriteSoon(descriptor, address, length, offset)),
    read: (address, length, offset) => begin(preadSoon(descriptor, address, length, offset)),
    sync: () => begin(fsyncSoon(descriptor)),
    syncData: () => (dataFile < 0 ? 0 : begin(fsyncSoon(dataFile))),
    grow: (size) => begin(growTo(descriptor, size)),
  });
  let step = steps.next(0);
  while (!step.done) step = steps.next(step.value === PENDING ? await call : step.value);
  return step.value;
}

/** Makes a file at least so long. 0 or -errno. */
async function growTo(descriptor: number, size: number): Promise<number> {
  const { size: present } = await promisify(fstat)(descriptor);
  return present < size ? ftruncate(descriptor, size) : 0;
}
