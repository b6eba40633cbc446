import * as abi from './abi.js';
import type { Pieces } from './refcount-blocks.js';

/** The size of the disk and the place of its L1 table. These fields change together. */
interface DiskExtent {
  /** Virtual size, bytes. */
  size: number;
  /** Host offset of the L1 table. */
  l1Offset: number;
  l1Entries: number;
}

/**
 * The first block of an image, for changes to its header. All changeable fields lie in the first sector,
 * so that even after a crash the disk has either all old or all new ones.
 */
export class HeaderBlock {
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  #changed = false;
  #disk: DiskExtent | null = null;

  /** @param bytes The beginning of the image as on disk; its length is that of one write. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** @param offset Host offset, bytes. */
  setRefcountTable(offset: number, clusters: number): void {
    putU64(this.#view, abi.HEADER_REFCOUNT_TABLE_OFFSET, offset);
    this.#view.setUint32(abi.HEADER_REFCOUNT_TABLE_CLUSTERS, clusters);
    this.#changed = true;
  }

  /** This must be written after the tables that it refers to: in `stageDisk`, not in `stage`. */
  setDisk(disk: DiskExtent): void {
    this.#disk = disk;
  }

  /** The refcounts on disk may be wrong. Version 3 only. */
  get isDirty(): boolean {
    return (this.#lowBits & (1 << abi.INCOMPATIBLE_DIRTY)) !== 0;
  }

  setDirty(dirty: boolean): void {
    const bit = 1 << abi.INCOMPATIBLE_DIRTY;
    const bits = (this.#lowBits & ~bit) | (dirty ? bit : 0);
    this.#view.setUint32(abi.HEADER_INCOMPATIBLE + 4, bits >>> 0);
    this.#changed = true;
  }

  get #lowBits(): number {
    return this.#view.getUint32(abi.HEADER_INCOMPATIBLE + 4);
  }

  /** The changed block or nothing; it counts as written. */
  stage(): Pieces {
    const stage = new Map<number, Uint8Array>();
    if (this.#changed) stage.set(0, this.#bytes.slice());
    this.#changed = false;
    return stage;
  }

  /** The block with the new fields of the disk, or nothing. `written` is called when it was written. */
  stageDisk(): { pieces: Pieces; written(): void } {
    const disk = this.#disk;
    if (disk === null) return { pieces: new Map(), written: () => {} };
    const bytes = this.#bytes.slice();
    putDisk(new DataView(bytes.buffer), disk);
    const written = (): void => {
      putDisk(this.#view, disk);
      if (this.#disk === disk) this.#disk = null;
    };
    return { pieces: new Map([[0, bytes]]), written };
  }

  /** The block of `stage` could not be written. */
  restore(): void {
    this.#changed = true;
  }
}

function putDisk(view: DataView, { size, l1Offset, l1Entries }: DiskExtent): void {
  putU64(view, abi.HEADER_SIZE, size);
  view.setUint32(abi.HEADER_L1_ENTRIES, l1Entries);
  putU64(view, abi.HEADER_L1_OFFSET, l1Offset);
}

function putU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, Math.floor(value / 2 ** 32));
  view.setUint32(at + 4, value >>> 0);
}
