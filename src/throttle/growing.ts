type Bytes = Uint8Array<ArrayBuffer>;
type Ints = Int32Array<ArrayBuffer>;
type Floats = Float64Array<ArrayBuffer>;

/** A copy of `old` with room for `length` numbers, the new ones set to `value`. */
export function grownInt32(old: Ints, length: number, value: number): Ints {
  if (length <= old.length) return old;
  const grown = new Int32Array(length).fill(value);
  grown.set(old);
  return grown;
}

/** A copy of `old` with room for `length` bytes, the new ones 0. */
export function grownUint8(old: Bytes, length: number): Bytes {
  if (length <= old.length) return old;
  const grown = new Uint8Array(length);
  grown.set(old);
  return grown;
}

/** A copy of `old` with room for `length` numbers, the new ones set to `value`. */
export function grownFloat64(old: Floats, length: number, value: number): Floats {
  if (length <= old.length) return old;
  const grown = new Float64Array(length).fill(value);
  grown.set(old);
  return grown;
}
