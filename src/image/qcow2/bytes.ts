/**
 * A 64-bit field as a number. A value above 2^53 - 1 loses its low bits, but stays larger than every
 * accepted size and offset, so range checks still refuse it.
 */
export function getU64(view: DataView, at: number): number {
  return view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4);
}

/** Largest offset or size that is exact as a number. */
export const OFFSET_MAX = Number.MAX_SAFE_INTEGER;
