import * as abi from '../../src/fuse/abi.js';
import { setU64 } from '../../src/fuse/wire.js';
import { takeForSession } from './spare-memory.js';

/** Bodies of FUSE requests. */

function body(bytes: number, set: (view: DataView) => void): Uint8Array {
  const all = new Uint8Array(bytes);
  set(new DataView(all.buffer));
  return all;
}

export function initBody(): Uint8Array {
  return body(64, (view) => {
    view.setUint32(abi.INIT_IN_MAJOR, abi.FUSE_MAJOR, true);
    view.setUint32(abi.INIT_IN_MINOR, abi.FUSE_MINOR, true);
    view.setUint32(abi.INIT_IN_MAX_READAHEAD, 128 << 10, true);
    view.setUint32(abi.INIT_IN_FLAGS, 0xffffffff, true);
    view.setUint32(abi.INIT_IN_FLAGS2, 0xffffffff, true);
  });
}

export function nameBody(name: string, before = 0): Uint8Array {
  return Buffer.concat([Buffer.alloc(before), Buffer.from(`${name}\0`)]);
}

export function openBody(flags: number): Uint8Array {
  return body(abi.OPEN_IN_BYTES, (view) => view.setUint32(abi.OPEN_IN_FLAGS, flags, true));
}

export function ioBody(handle: number, offset: number, length: number): Uint8Array {
  return body(abi.IO_IN_BYTES, (view) => {
    setU64(view, abi.IO_IN_FH, handle);
    setU64(view, abi.IO_IN_OFFSET, offset);
    view.setUint32(abi.IO_IN_SIZE, length, true);
  });
}

/** @param fill Puts the bytes that are written into their place, which has any bytes in it. */
export function writeBody(
  handle: number,
  offset: number,
  length: number,
  fromCache: boolean,
  fill: (payload: Uint8Array) => void,
): Uint8Array {
  const head = ioBody(handle, offset, length);
  if (fromCache) new DataView(head.buffer).setUint32(abi.WRITE_IN_FLAGS, abi.WRITE_CACHE, true);
  const all = takeForSession(head.length + length);
  all.set(head);
  fill(all.subarray(head.length));
  return all;
}

export function flushBody(handle: number, dataOnly: boolean): Uint8Array {
  return body(abi.FSYNC_IN_BYTES, (view) => {
    setU64(view, abi.FSYNC_IN_FH, handle);
    view.setUint32(abi.FSYNC_IN_FLAGS, dataOnly ? 1 : 0, true);
  });
}

export function releaseBody(handle: number): Uint8Array {
  return body(abi.RELEASE_IN_BYTES, (view) => setU64(view, abi.RELEASE_IN_FH, handle));
}

export function allocateBody(mode: number, offset: number, length: number): Uint8Array {
  return body(abi.FALLOCATE_IN_BYTES, (view) => {
    setU64(view, abi.FALLOCATE_IN_OFFSET, offset);
    setU64(view, abi.FALLOCATE_IN_LENGTH, length);
    view.setUint32(abi.FALLOCATE_IN_MODE, mode, true);
  });
}

export function seekBody(offset: number, whence: number): Uint8Array {
  return body(abi.LSEEK_IN_BYTES, (view) => {
    setU64(view, abi.LSEEK_IN_OFFSET, offset);
    view.setUint32(abi.LSEEK_IN_WHENCE, whence, true);
  });
}

export function sizeBody(size: number): Uint8Array {
  return body(abi.SETATTR_IN_BYTES, (view) => {
    view.setUint32(abi.SETATTR_IN_VALID, abi.FATTR_SIZE, true);
    setU64(view, abi.SETATTR_IN_SIZE, size);
  });
}

export function timesBody(): Uint8Array {
  return body(abi.SETATTR_IN_BYTES, (view) => {
    const now = abi.FATTR_MTIME | abi.FATTR_MTIME_NOW | abi.FATTR_ATIME | abi.FATTR_ATIME_NOW;
    view.setUint32(abi.SETATTR_IN_VALID, now, true);
  });
}

/** @param high The upper half of the id. */
export function interruptBody(unique: number, high: number): Uint8Array {
  return body(abi.INTERRUPT_IN_BYTES, (view) => {
    view.setUint32(abi.INTERRUPT_IN_UNIQUE, unique, true);
    view.setUint32(abi.INTERRUPT_IN_UNIQUE + 4, high, true);
  });
}

export function zerosBody(bytes: number): Uint8Array {
  return new Uint8Array(bytes);
}
