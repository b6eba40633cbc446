/** With fewer pieces than this nearly every change would need a flush. */
const PIECES_MIN = 16;

/**
 * A bounded cache of pieces of refcount blocks. The least recently used piece is dropped first. A changed
 * piece stays until it has been written, so a caller that changes many pieces must have them written
 * when the cache is `crowded`.
 */
export class PieceCache {
  readonly #capacity: number;
  /** In the order of use; the most recently used one is last. */
  readonly #pieces = new Map<number, Uint8Array>();
  readonly #dirty = new Set<number>();
  /** Copies of these are being written: the disk does not have their contents yet. */
  readonly #writing = new Set<number>();
  #last = -1;
  #lastBytes: Uint8Array | undefined;

  /** @param capacity Number of pieces; small values are raised. */
  constructor(capacity: number) {
    this.#capacity = Math.max(PIECES_MIN, Math.floor(capacity));
  }

  /** Number of pieces in memory. */
  get size(): number {
    return this.#pieces.size;
  }

  /** Many pieces have changed: they should be written before more are loaded. */
  get crowded(): boolean {
    return (this.#dirty.size + this.#writing.size) * 2 > this.#capacity;
  }

  get hasDirty(): boolean {
    return this.#dirty.size > 0;
  }

  get(piece: number): Uint8Array | undefined {
    if (piece === this.#last) return this.#lastBytes;
    const bytes = this.#pieces.get(piece);
    if (bytes === undefined) return undefined;
    this.#pieces.delete(piece);
    this.#pieces.set(piece, bytes);
    this.#last = piece;
    this.#lastBytes = bytes;
    return bytes;
  }

  /** A piece has been read. If it is here already, the copy in memory is kept. */
  add(piece: number, bytes: Uint8Array): void {
    if (this.#pieces.has(piece)) return;
    if (this.#pieces.size >= this.#capacity) this.#evict();
    this.#pieces.set(piece, bytes);
  }

  /** The piece, which must be in memory, has changed. */
  markDirty(piece: number): void {
    this.#dirty.add(piece);
  }

  /** Copies all changed pieces, which count as being written until `ended`. */
  stage(): Map<number, Uint8Array> {
    const copies = new Map<number, Uint8Array>();
    for (const piece of this.#dirty) {
      copies.set(piece, this.#pieces.get(piece)!.slice());
      this.#writing.add(piece);
    }
    this.#dirty.clear();
    return copies;
  }

  /** The staged pieces have been written, or could not be. */
  ended(written: boolean): void {
    if (!written) for (const piece of this.#writing) this.#dirty.add(piece);
    this.#writing.clear();
  }

  /** If no piece can be dropped, the cache exceeds its bound, by the pieces of a few requests. */
  #evict(): void {
    for (const piece of this.#pieces.keys()) {
      if (this.#dirty.has(piece) || this.#writing.has(piece)) continue;
      this.#pieces.delete(piece);
      if (piece === this.#last) this.#last = -1;
      return;
    }
  }
}
