import { MAX_IO_BYTES } from '../buffers/memory.js';
import { ERRNO } from '../util/errno.js';
import * as abi from './abi.js';
import { clear } from './wire.js';

/**
 * Asynchronous requests that the kernel sends before it makes callers wait: the largest value of the
 * field. With a smaller one the kernel would queue requests in front of the groups, and one throttled
 * image would delay all others. (The kernel lowers it for a mount without CAP_SYS_ADMIN.)
 */
const MAX_BACKGROUND = 65535;

/**
 * The features that we use if the kernel offers them. ASYNC_DIO is worth a factor of five at queue
 * depth 32. ALLOW_MMAP lets a file with direct I/O be mapped. ATOMIC_O_TRUNC passes O_TRUNC with OPEN,
 * where a disk of fixed size can ignore it as a block device does.
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

/**
 * How many file systems may lie on each other below a mount with passthrough, itself counted: all that
 * Linux allows. So an image may lie on overlayfs; in return overlayfs cannot lie on the mount.
 */
const STACK_DEPTH = 2;

/** The protocol that kernel and daemon agreed on. */
export interface Negotiated {
  /** 0: nothing yet. */
  minor: number;
  flags: number;
  flags2: number;
}

/** The agreement with a kernel that offers every feature. */
export const EVERYTHING: Negotiated = {
  minor: abi.FUSE_MINOR,
  flags: WANTED_FLAGS,
  flags2: WANTED_FLAGS2,
};

/**
 * The most that the kernel reads ahead, bytes. It takes its own number if that is smaller, 128 KiB where nobody
 * has changed it; a smaller one of ours would undo what server/read-ahead.ts has set before INIT.
 */
const MAX_READAHEAD = 64 << 20;

/**
 * Reads the `length` bytes of struct fuse_init_in at `at`. With a newer major version nothing is agreed
 * yet: the reply states ours, and the kernel sends INIT again in that version.
 * @param more Flags of the second word that this mount wants besides: PASSTHROUGH, with which the kernel
 *   treats the mount as one that lies on others, and OVER_IO_URING.
 * @returns 0, or -EPROTO for a kernel older than 7.28.
 */
export function negotiate(
  view: DataView,
  at: number,
  length: number,
  agreed: Negotiated,
  more: number,
): number {
  const major = view.getUint32(at + abi.INIT_IN_MAJOR, true);
  const minor = view.getUint32(at + abi.INIT_IN_MINOR, true);
  if (major < abi.FUSE_MAJOR || (major === abi.FUSE_MAJOR && minor < abi.FUSE_MINOR_MIN)) {
    return -ERRNO.EPROTO;
  }
  if (major > abi.FUSE_MAJOR) return 0;
  const offered = view.getUint32(at + abi.INIT_IN_FLAGS, true);
  const extended = (offered & abi.INIT_EXT) !== 0 && length >= abi.INIT_IN_EXT_BYTES;
  const offered2 = extended ? view.getUint32(at + abi.INIT_IN_FLAGS2, true) : 0;
  agreed.minor = Math.min(minor, abi.FUSE_MINOR);
  agreed.flags = offered & WANTED_FLAGS;
  agreed.flags2 = offered2 & (WANTED_FLAGS2 | more);
  return 0;
}

/** Writes struct fuse_init_out at `out`; returns its length. */
export function encodeInit(
  view: DataView,
  out: number,
  agreed: Negotiated,
  maxBackground = MAX_BACKGROUND,
  maxWrite = MAX_IO_BYTES,
): number {
  clear(view, out, abi.INIT_OUT_BYTES);
  view.setUint32(out + abi.INIT_OUT_MAJOR, abi.FUSE_MAJOR, true);
  view.setUint32(out + abi.INIT_OUT_MINOR, abi.FUSE_MINOR, true);
  if (agreed.minor === 0) return abi.INIT_OUT_BYTES;
  view.setUint32(out + abi.INIT_OUT_MAX_READAHEAD, MAX_READAHEAD, true);
  view.setUint32(out + abi.INIT_OUT_FLAGS, agreed.flags, true);
  view.setUint32(out + abi.INIT_OUT_FLAGS2, agreed.flags2, true);
  const isPassing = (agreed.flags2 & abi.PASSTHROUGH) !== 0;
  view.setUint32(out + abi.INIT_OUT_STACK_DEPTH, isPassing ? STACK_DEPTH : 0, true);
  view.setUint16(out + abi.INIT_OUT_MAX_BACKGROUND, maxBackground, true);
  view.setUint16(out + abi.INIT_OUT_CONGESTION, (maxBackground * 3) >> 2, true);
  view.setUint32(out + abi.INIT_OUT_MAX_WRITE, maxWrite, true);
  view.setUint32(out + abi.INIT_OUT_TIME_GRAN, 1, true);
  view.setUint16(out + abi.INIT_OUT_MAX_PAGES, MAX_IO_BYTES >> 12, true);
  return abi.INIT_OUT_BYTES;
}
