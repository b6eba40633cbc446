/** Refcount number `index` of a block; refcounts have `1 << order` bits. Above 2^53 it is not exact. */
export function getRefcount(block: Uint8Array, index: number, order: number): number {
  if (order < 3) {
    const bits = 1 << order;
    const perByte = 8 / bits;
    const shift = (index % perByte) * bits;
    return (block[Math.floor(index / perByte)] >>> shift) & ((1 << bits) - 1);
  }
  const bytes = 1 << (order - 3);
  let value = 0;
  for (let at = index * bytes; at < (index + 1) * bytes; at++) value = value * 256 + block[at];
  return value;
}

/** Sets refcount number `index` of a block. */
export function setRefcount(block: Uint8Array, index: number, order: number, value: number): void {
  if (order < 3) {
    const bits = 1 << order;
    const perByte = 8 / bits;
    const at = Math.floor(index / perByte);
    const shift = (index % perByte) * bits;
    const mask = ((1 << bits) - 1) << shift;
    block[at] = (block[at]! & ~mask) | (value << shift);
    return;
  }
  const bytes = 1 << (order - 3);
  let rest = value;
  for (let at = (index + 1) * bytes - 1; at >= index * bytes; at--) {
    block[at] = rest % 256;
    rest = Math.floor(rest / 256);
  }
}
