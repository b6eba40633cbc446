import * as abi from './abi.js';

/**
 * 64-bit fields as numbers. Sizes and offsets of files are below 2^53 in practice. Larger values are
 * clamped, so that comparisons with a file size stay correct.
 */

/** Reads an unsigned 64-bit field; above 2^53 - 1 the answer is 2^53 - 1. */
export function getU64(view: DataView, at: number): number {
  const value = view.getUint32(at + 4, true) * 4294967296 + view.getUint32(at, true);
  return Math.min(value, Number.MAX_SAFE_INTEGER);
}

/** Writes a whole number of at most 53 bits as 64, in two's complement. */
export function setU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / 4294967296), true);
}

/** Zeroes `bytes` (a multiple of 8) from `at`. */
export function clear(view: DataView, at: number, bytes: number): void {
  for (let i = 0; i < bytes; i += 8) setU64(view, at + i, 0);
}

/** Writes two of struct iovec at `at`: the addresses and lengths of a header and of what follows it. */
export function writeIovecs(
  view: DataView,
  at: number,
  header: number,
  headerBytes: number,
  payload: number,
  payloadBytes: number,
): void {
  setU64(view, at, header);
  setU64(view, at + 8, headerBytes);
  setU64(view, at + 16, payload);
  setU64(view, at + 24, payloadBytes);
}

/** Writes struct fuse_out_header at `at`, for a payload of `bytes`. @param error 0 or -errno. */
export function writeReplyHeader(
  view: DataView,
  at: number,
  uniqueLow: number,
  uniqueHigh: number,
  error: number,
  bytes: number,
): void {
  view.setUint32(at + abi.OUT_LEN, abi.OUT_HEADER_BYTES + bytes, true);
  view.setInt32(at + abi.OUT_ERROR, error, true);
  view.setUint32(at + abi.OUT_UNIQUE, uniqueLow, true);
  view.setUint32(at + abi.OUT_UNIQUE + 4, uniqueHigh, true);
}
