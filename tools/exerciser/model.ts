/** Largest size that a file may grow to: the model is held in memory. */
export const MODEL_LIMIT = 16 << 20;

/** The expected contents of the file. Bytes past `size` are always zero. */
export class Model {
  readonly bytes = Buffer.alloc(MODEL_LIMIT);
  private length: number;

  constructor(size: number) {
    this.length = size;
  }

  /** Bytes in the file. */
  get size(): number {
    return this.length;
  }

  /** Writes `length` bytes of `source` from `at` on; a write past the end grows the file. */
  write(offset: number, source: Buffer, at: number, length: number): void {
    if (length === 0) return;
    source.copy(this.bytes, offset, at, at + length);
    if (offset + length > this.length) this.length = offset + length;
  }

  /** Zeroes a range. The part past the end only counts if `grow` is set. */
  zero(offset: number, length: number, grow: boolean): void {
    this.bytes.fill(0, offset, Math.min(offset + length, MODEL_LIMIT));
    if (grow && offset + length > this.length) this.length = offset + length;
  }

  truncate(size: number): void {
    if (size < this.length) this.bytes.fill(0, size, this.length);
    this.length = size;
  }

  /** Rounds the size up to a multiple of `unit`: a mounted image ends at a sector. */
  roundUp(unit: number): void {
    this.length = Math.ceil(this.length / unit) * unit;
  }

  /** How much a read of `length` bytes at `offset` returns. */
  readable(offset: number, length: number): number {
    return Math.max(0, Math.min(length, this.length - offset));
  }

  equals(offset: number, got: Buffer): boolean {
    // A read past the end of the largest file: compare() refuses the offset.
    if (got.length === 0) return true;
    return this.bytes.compare(got, 0, got.length, offset, offset + got.length) === 0;
  }

  /** First byte of a range that is not zero, or -1. */
  firstData(from: number, to: number): number {
    for (let i = from; i < to; i++) if (this.bytes[i] !== 0) return i;
    return -1;
  }
}
