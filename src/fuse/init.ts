import { MAX_IO_BYTES } from '../buffers/memory.js';
import { ERRNO } from '../util/errno.js';
import * as abi from './abi.js';
import { clear } from './wire.js';

/**
 * Asynchronous requests that the kernel hands out before it makes callers wait. As large as the
 * field allows: a smaller number turns the kernel into a queue in front of the groups, where one
 * throttled image holds up all others. (The kernel lowers it for a mount without CAP_SYS_ADMIN.)
 */
const MAX_BACKGROUND = 65535;

/**
 * What we ask for, if the kernel offers it. ASYNC_DIO alone is worth a factor of five at queue depth
 * 32; ALLOW_MMAP lets a file that is always direct be mapped; ATOMIC_O_TRUNC brings O_TRUNC with the
 * OPEN, where a fixed-size image can ignore it as a block device does.
 */
const WANTED_FLAGS =
  abi.ASYNC_READ |
  abi.ATOMIC_O_TRUNC |
  abi.BIG_WRITES |
  abi.ASYNC_DIO |
  abi.PARALLEL_DIROPS |
  abi.ABORT_ERROR |
  abi.MAX_PAGES |
  abi.INIT_EXT;
const WANTED_FLAGS2 = abi.DIRECT_IO_ALLOW_MMAP;

/** What kernel and daemon agreed on. */
export interface Negotiated {
  minor: number;
  flags: number;
  flags2: number;
}

/**
 * Answers INIT: reads `length` bytes of struct fuse_init_in at `at`, writes struct fuse_init_out at `out`.
 * @returns The reply's length, or -EPROTO for a kernel older than 7.28.
 */
export function negotiate(
  view: DataView,
  at: number,
  length: number,
  out: number,
  agreed: Negotiated,
): number {
  const major = view.getUint32(at + abi.INIT_IN_MAJOR, true);
  const minor = view.getUint32(at + abi.INIT_IN_MINOR, true);
  if (major < abi.FUSE_MAJOR || (major === abi.FUSE_MAJOR && minor < abi.FUSE_MINOR_MIN)) {
    return -ERRNO.EPROTO;
  }
  clear(view, out, abi.INIT_OUT_BYTES);
  view.setUint32(out + abi.INIT_OUT_MAJOR, abi.FUSE_MAJOR, true);
  view.setUint32(out + abi.INIT_OUT_MINOR, abi.FUSE_MINOR, true);
  // A newer major: say ours, and the kernel sends INIT again in our version.
  if (major > abi.FUSE_MAJOR) return abi.INIT_OUT_BYTES;

  const offered = view.getUint32(at + abi.INIT_IN_FLAGS, true);
  const extended = (offered & abi.INIT_EXT) !== 0 && length >= abi.INIT_IN_EXT_BYTES;
  const offered2 = extended ? view.getUint32(at + abi.INIT_IN_FLAGS2, true) : 0;
  agreed.minor = Math.min(minor, abi.FUSE_MINOR);
  agreed.flags = offered & WANTED_FLAGS;
  agreed.flags2 = offered2 & WANTED_FLAGS2;
  const readahead = view.getUint32(at + abi.INIT_IN_MAX_READAHEAD, true);
  view.setUint32(out + abi.INIT_OUT_MAX_READAHEAD, readahead, true);
  view.setUint32(out + abi.INIT_OUT_FLAGS, agreed.flags, true);
  view.setUint32(out + abi.INIT_OUT_FLAGS2, agreed.flags2, true);
  view.setUint16(out + abi.INIT_OUT_MAX_BACKGROUND, MAX_BACKGROUND, true);
  view.setUint16(out + abi.INIT_OUT_CONGESTION, (MAX_BACKGROUND * 3) >> 2, true);
  view.setUint32(out + abi.INIT_OUT_MAX_WRITE, MAX_IO_BYTES, true);
  view.setUint32(out + abi.INIT_OUT_TIME_GRAN, 1, true);
  view.setUint16(out + abi.INIT_OUT_MAX_PAGES, MAX_IO_BYTES >> 12, true);
  return abi.INIT_OUT_BYTES;
}
