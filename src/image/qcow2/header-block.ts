import {
  HEADER_INCOMPATIBLE,
  HEADER_REFCOUNT_TABLE_CLUSTERS,
  HEADER_REFCOUNT_TABLE_OFFSET,
  INCOMPATIBLE_DIRTY,
} from './abi.js';

/**
 * The first block of an image, for changes of fields of its header. All of them lie in the first
 * sector, so the disk has either the old or the new ones.
 */
export class HeaderBlock {
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  #changed = false;

  /** @param bytes As on disk, as much as is written at once. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** @param offset Host offset, bytes. */
  setRefcountTable(offset: number, clusters: number): void {
    this.#view.setUint32(HEADER_REFCOUNT_TABLE_OFFSET, Math.floor(offset / 2 ** 32));
    this.#view.setUint32(HEADER_REFCOUNT_TABLE_OFFSET + 4, offset >>> 0);
    this.#view.setUint32(HEADER_REFCOUNT_TABLE_CLUSTERS, clusters);
    this.#changed = true;
  }

  /** The refcounts on disk need not be true. Version 3 only. */
  get isDirty(): boolean {
    return (this.#lowBits & (1 << INCOMPATIBLE_DIRTY)) !== 0;
  }

  setDirty(dirty: boolean): void {
    const bit = 1 << INCOMPATIBLE_DIRTY;
    const bits = (this.#lowBits & ~bit) | (dirty ? bit : 0);
    this.#view.setUint32(HEADER_INCOMPATIBLE + 4, bits >>> 0);
    this.#changed = true;
  }

  get #lowBits(): number {
    return this.#view.getUint32(HEADER_INCOMPATIBLE + 4);
  }

  /** What has changed, by host offset; it counts as written. */
  stage(): Map<number, Uint8Array> {
    const stage = new Map<number, Uint8Array>();
    if (this.#changed) stage.set(0, this.#bytes.slice());
    this.#changed = false;
    return stage;
  }

  /** What was staged could not be written. */
  restore(): void {
    this.#changed = true;
  }
}
