import { fstatSync, ftruncateSync, writeSync } from 'node:fs';

export const KEEP_SIZE = 0x01;
export const PUNCH_HOLE = 0x02;
export const ZERO_RANGE = 0x10;

/** fallocate(2), on any host. */
export function allocateNow(
  descriptor: number,
  mode: number,
  offset: number,
  length: number,
): void {
  const { size } = fstatSync(descriptor);
  const end = offset + length;
  if ((mode & (PUNCH_HOLE | ZERO_RANGE)) !== 0 && offset < size) {
    const zeros = Buffer.alloc(Math.min(length, size - offset));
    writeSync(descriptor, zeros, 0, zeros.length, offset);
  }
  if ((mode & KEEP_SIZE) === 0 && end > size) ftruncateSync(descriptor, end);
}
