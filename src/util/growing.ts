/** A column of a table. */
export type Column = Uint8Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Float64Array<ArrayBuffer>;

/** `old` with room for at least `length` numbers, the new ones set to `value`: a copy if it was shorter. */
export function grown<T extends Column>(old: T, length: number, value = 0): T {
  if (length <= old.length) return old;
  const longer = new (old.constructor as new (length: number) => T)(length);
  longer.fill(value);
  longer.set(old);
  return longer;
}
