/** Fewer pieces than this and a flush would be due all the time. */
const PIECES_MIN = 16;

/**
 * Pieces of refcount blocks in memory, bounded: what was used longest ago goes first. A piece that
 * differs from the disk stays until it has been written, so whoever changes many has to have them
 * written when the cache is `crowded`.
 */
export class PieceCache {
  readonly #capacity: number;
  /** The one that was used last at the end. */
  readonly #pieces = new Map<number, Uint8Array>();
  readonly #dirty = new Set<number>();
  /** Copies of these are on their way to the disk: what is there is not yet what is here. */
  readonly #writing = new Set<number>();
  #last = -1;
  #lastBytes: Uint8Array | undefined;

  /** @param capacity Pieces; small values are raised. */
  constructor(capacity: number) {
    this.#capacity = Math.max(PIECES_MIN, Math.floor(capacity));
  }

  /** Pieces in memory. */
  get size(): number {
    return this.#pieces.size;
  }

  /** So many pieces differ from the disk that they should be written before more are loaded. */
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

  /** A piece has been read; one that is here already stays as it is. */
  add(piece: number, bytes: Uint8Array): void {
    if (this.#pieces.has(piece)) return;
    if (this.#pieces.size >= this.#capacity) this.#evict();
    this.#pieces.set(piece, bytes);
  }

  /** The piece, which is here, differs from the disk. */
  markDirty(piece: number): void {
    this.#dirty.add(piece);
  }

  /** Copies of all that differs from the disk, which then counts as being written. */
  stage(): Map<number, Uint8Array> {
    const copies = new Map<number, Uint8Array>();
    for (const piece of this.#dirty) {
      copies.set(piece, this.#pieces.get(piece)!.slice());
      this.#writing.add(piece);
    }
    this.#dirty.clear();
    return copies;
  }

  /** What was staged is on disk. */
  staged(): void {
    this.#writing.clear();
  }

  /** What was staged could not be written. */
  restore(): void {
    for (const piece of this.#writing) this.#dirty.add(piece);
    this.#writing.clear();
  }

  /** Where nothing can go, the bound gives way: by what a few requests have in hand. */
  #evict(): void {
    for (const piece of this.#pieces.keys()) {
      if (this.#dirty.has(piece) || this.#writing.has(piece)) continue;
      this.#pieces.delete(piece);
      if (piece === this.#last) this.#last = -1;
      return;
    }
  }
}
