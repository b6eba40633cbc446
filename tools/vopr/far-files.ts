import {
  closeSync,
  constants,
  copyFileSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs';

// Files of more than 4 GiB. Nothing is in them from NEAR_BYTES to NEAR_BYTES behind 4 GiB, and the simulator keeps
// their bytes without this hole. So they take no longer than others.

/** Bytes in front of the hole. */
export const NEAR_BYTES = 2 << 20;
export const HOLE_BYTES = 2 ** 32;
const HOLE_END = NEAR_BYTES + HOLE_BYTES;

/** Where a byte of a host file is among those that are kept, bytes. */
export function packed(offset: number): number {
  return offset < HOLE_BYTES ? offset : offset - HOLE_BYTES;
}

/** A place in the hole of a far file, bytes. */
export function isInHole(offset: number): boolean {
  return offset >= NEAR_BYTES && offset < HOLE_END;
}

/** The file has a hole. */
export function isFar(descriptor: number): boolean {
  return fstatSync(descriptor).size >= HOLE_END;
}

/** Bytes of a file that are kept. */
export function packedSize(descriptor: number): number {
  return packed(fstatSync(descriptor).size);
}

/** Reads a whole file. @param into Has room for all that is kept. */
export function readPacked(descriptor: number, into: Buffer): Buffer {
  if (!isFar(descriptor)) return into.subarray(0, readSync(descriptor, into, 0, into.length, 0));
  readSync(descriptor, into, 0, NEAR_BYTES, 0);
  const rest = packedSize(descriptor) - NEAR_BYTES;
  return into.subarray(0, NEAR_BYTES + readSync(descriptor, into, NEAR_BYTES, rest, HOLE_END));
}

/** Makes these the bytes of a file. @param hasHole They are those of a far file. */
export function writePacked(path: string, bytes: Buffer, hasHole: boolean): void {
  const descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT);
  try {
    const near = hasHole ? NEAR_BYTES : bytes.length;
    writeSync(descriptor, bytes, 0, near, 0);
    // The pages stay, for new ones take long.
    ftruncateSync(descriptor, near);
    if (!hasHole) return;
    writeSync(descriptor, bytes, near, bytes.length - near, HOLE_END);
    ftruncateSync(descriptor, bytes.length + HOLE_BYTES);
  } finally {
    closeSync(descriptor);
  }
}

/** Copies a file. @param hasHole It is a far one: a plain copy would fill its hole. */
export function copyPacked(from: string, to: string, hasHole: boolean): void {
  if (!hasHole) {
    copyFileSync(from, to);
    return;
  }
  const descriptor = openSync(from, 'r');
  try {
    writePacked(to, readPacked(descriptor, Buffer.alloc(packedSize(descriptor))), true);
  } finally {
    closeSync(descriptor);
  }
}
