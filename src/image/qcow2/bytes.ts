/**
 * A 64-bit field as a number. What is above 2^53 - 1 loses its low bits, but stays above every size
 * and offset that we accept, so a range check refuses it.
 */
export function getU64(view: DataView, at: number): number {
  return view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4);
}

/** Largest offset or size that is exact as a number. */
export const OFFSET_MAX = Number.MAX_SAFE_INTEGER;
