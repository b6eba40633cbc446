import {
  HEADER_INCOMPATIBLE,
  HEADER_L1_ENTRIES,
  HEADER_L1_OFFSET,
  HEADER_REFCOUNT_TABLE_CLUSTERS,
  HEADER_REFCOUNT_TABLE_OFFSET,
  HEADER_SIZE,
  INCOMPATIBLE_DIRTY,
} from './abi.js';

/** The size of the disk and the place of its L1 table. These fields change together. */
export interface DiskExtent {
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
    putU64(this.#view, HEADER_REFCOUNT_TABLE_OFFSET, offset);
    this.#view.setUint32(HEADER_REFCOUNT_TABLE_CLUSTERS, clusters);
    this.#changed = true;
  }

  /** This must be written after the tables that it refers to: in `stageDisk`, not in `stage`. */
  setDisk(disk: DiskExtent): void {
    this.#disk = disk;
  }

  /** The refcounts on disk may be wrong. Version 3 only. */
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

  /** The changed block, by host offset, or nothing; it counts as written. */
  stage(): Map<number, Uint8Array> {
    const stage = new Map<number, Uint8Array>();
    if (this.#changed) stage.set(0, this.#bytes.slice());
    this.#changed = false;
    return stage;
  }

  /** The block with the new fields of the disk, or nothing. After it was written: `diskStaged`. */
  stageDisk(): Map<number, Uint8Array> {
    const stage = new Map<number, Uint8Array>();
    if (this.#disk === null) return stage;
    const bytes = this.#bytes.slice();
    putDisk(new DataView(bytes.buffer), this.#disk);
    return stage.set(0, bytes);
  }

  /** @param disk The value of `disk` when it was staged. */
  diskStaged(disk: DiskExtent | null): void {
    if (disk === null) return;
    putDisk(this.#view, disk);
    if (this.#disk === disk) this.#disk = null;
  }

  /** New fields of the disk that have not been written yet. */
  get disk(): DiskExtent | null {
    return this.#disk;
  }

  /** The staged block could not be written. */
  restore(): void {
    this.#changed = true;
  }
}

function putDisk(view: DataView, { size, l1Offset, l1Entries }: DiskExtent): void {
  putU64(view, HEADER_SIZE, size);
  view.setUint32(HEADER_L1_ENTRIES, l1Entries);
  putU64(view, HEADER_L1_OFFSET, l1Offset);
}

function putU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, Math.floor(value / 2 ** 32));
  view.setUint32(at + 4, value >>> 0);
}
